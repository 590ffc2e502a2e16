//! Who uses the API: accounts, sessions, keys.

pub mod accounts;
pub mod changes;
pub mod keys;
pub mod role_assignments;
pub mod sessions;
