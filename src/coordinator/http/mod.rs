//! The API: who may do what, in which words, on which path.

mod allocators;
mod auth;
mod context;
mod coordinators;
mod downloads;
mod error;
mod extract;
mod hosts;
mod proxies;
mod routes;
mod runners;
mod tokens;

pub use context::{ConnectionContext, SharedContext};
pub use routes::{Service, api_router, hosts_router, openapi, redirect_router};
