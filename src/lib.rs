//! Turns a new machine into a member of a cluster: installer, daemon and coordinator.
//!
//! Rooms import downwards only; `ARCHITECTURE.md` has the map and `tests/it/structure.rs`
//! holds it.

pub mod agent;
pub mod api;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod config;
pub mod coordinator;
pub mod daemon;
pub mod host;
pub mod hosts;
pub mod http;
pub mod limits;
pub mod model;
pub mod preflight;
pub mod rt;
pub mod search;
pub mod server;
pub mod store;
pub mod tls;
pub mod token;
pub mod ui;
pub mod wire;
