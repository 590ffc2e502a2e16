//! Whether this machine can be what it is asked to be. One check a file.

mod capacity;
mod memory;
mod ports;
mod storage;

use std::net::IpAddr;

use crate::{
    config::HostSettings,
    host::Machine,
    model::{Failure, RoleSet},
};

/// What the checks look at.
pub struct Context<'a> {
    pub machine: &'a dyn Machine,
    pub settings: &'a HostSettings,
    pub roles: &'a RoleSet,
    /// The one address that the ports will be bound on; `None` for all.
    pub bind: Option<IpAddr>,
    /// Nobody relies on this host: what production needs is only a warning.
    pub relaxed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// Something that is not as it should be.
#[derive(Debug, Clone)]
pub struct Finding {
    pub severity: Severity,
    pub failure: Failure,
}

/// Everything that is not as it should be.
pub fn check(context: &Context<'_>) -> Vec<Finding> {
    [memory::check, capacity::check, storage::check, ports::check]
        .into_iter()
        .filter_map(|check| check(context))
        .collect()
}

impl Finding {
    fn error(failure: Failure) -> Self {
        Self { severity: Severity::Error, failure }
    }
}
