//! Coordinators as agents and the command line see them.

mod api;
mod dial;
mod error;
mod hosts;

pub use api::{ApiClient, ApiCredentials, HttpVerb, Reply};
pub use dial::{DialError, Dialler, resolve, resolve_all, shown_ca};
pub use error::ClientError;
pub use hosts::{CoordinatorClient, HttpCoordinator};
