//! Who uses the API: accounts, sessions, keys.

pub mod accounts;
pub mod keys;
pub mod sessions;
