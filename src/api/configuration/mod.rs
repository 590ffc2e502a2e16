//! The cluster's own settings.

pub mod audit;
pub mod base_url;
pub mod instances;
pub mod ledger;
pub mod repositories;
pub mod tokens;
