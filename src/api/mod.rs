//! ECE's API on port 12443: who may do what, in which words, on which path.

mod auth;
mod comments;
mod configuration;
mod deployments;
mod documents;
mod downloads;
mod infrastructure;
mod listed;
mod not_served;
mod platform;
mod request_rate;
mod routes;
mod stack;
mod users;
mod version;

pub use routes::{api_router, openapi, redirect_router};
