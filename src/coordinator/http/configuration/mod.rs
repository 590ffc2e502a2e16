//! The cluster's own settings.

pub mod base_url;
pub mod tokens;
