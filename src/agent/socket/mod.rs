//! The daemon's socket: what is asked of it on this host, and what it answers.

mod client;
mod request;
mod server;

pub use client::{DaemonClient, DaemonError, Peer};
pub use request::LocalAdministration;
use request::{ChangeReply, DaemonRequest, SessionReply};
pub use server::serve_socket;
