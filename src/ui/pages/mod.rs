//! A file a page: what is asked for, and what it is shown as.

pub mod host;
pub mod host_delete;
pub mod host_roles;
pub mod hosts;
mod hosts_found;
mod shown_host;
pub mod sign_in;
pub mod theme;
pub mod token;
pub mod token_new;
pub mod tokens;
