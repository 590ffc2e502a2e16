//! The coordinator: knows the members, lets new ones in, tells each what to run.
//!
//! - `http/` has the paths, permissions and errors; its handlers are thin.
//! - `services/` does what they ask for, one operation a file, each a commit with preconditions.
//! - `records/` is what is stored; `registry` is the same in memory, kept current by the watch.
//! - `lists` does what looks at all of them, beside everything else.
//! - `liveness` knows who is connected, and `owners` writes it down for the next start.
//! - `server/` has the sockets; `bootstrap` makes the cluster with its first host.

mod allowance;
mod app;
mod blame;
mod bootstrap;
mod change;
mod cluster;
mod generations;
mod http;
mod lists;
mod liveness;
mod metrics;
mod own_changes;
mod owners;
mod pace;
mod passages;
mod passwords;
mod quiet;
mod records;
mod registry;
mod seal;
mod search;
mod server;
mod services;
mod sessions;
mod source;
mod start;
#[cfg(test)]
mod testing;

pub use bootstrap::{BootstrapError, Bootstrapped, FirstHost, bootstrap};
pub use http::openapi;
pub use metrics::METRICS_PORT;
pub use records::ADMIN;
pub use seal::{MasterKey, SealError};
pub use server::{API_PORT, Listeners, REDIRECT_PORT};
pub use start::{Coordinator, CoordinatorConfig, LocalAccess, StartError};

/// A new password that nobody has to type often.
pub fn generate_password() -> crate::model::Secret {
    passwords::generate()
}
