//! The cluster's own settings.

pub mod audit;
pub mod base_url;
pub mod ledger;
pub mod tokens;
