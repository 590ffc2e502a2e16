//! The API: who may do what, in which words, on which path.

mod auth;
mod comments;
mod configuration;
mod context;
mod deployments;
mod downloads;
mod error;
mod extract;
mod host_error;
mod hosts;
mod infrastructure;
mod knocks;
mod limits;
mod listed;
mod not_served;
mod platform;
mod routes;
mod stack;
mod users;
mod version;

pub use context::{ConnectionContext, SharedContext};
pub use routes::{Service, api_router, hosts_router, openapi, redirect_router};
