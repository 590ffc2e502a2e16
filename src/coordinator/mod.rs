//! A running coordinator, put together from the floors below: its sockets, what answers behind each,
//! and the cluster that they work on.

mod metrics_page;
mod restored;
mod start;

pub use metrics_page::METRICS_PORT;
pub use restored::Restored;
pub use start::{Coordinator, CoordinatorConfig, Ended, LocalAccess, StartError};
