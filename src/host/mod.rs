//! The machine. The only room that asks the operating system about it, besides `rt`.

mod cgroup;
mod fake;
mod linux;
pub mod process;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

pub use fake::FakeMachine;
pub use linux::LinuxMachine;

use crate::model::CapacitySource;

/// Memory that this host may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub bytes: u64,
    /// Never [`CapacitySource::Flag`].
    pub source: CapacitySource,
}

pub trait Machine: Send + Sync {
    fn hostname(&self) -> io::Result<String>;

    /// CPUs that this process may use.
    fn cpus(&self) -> u32;

    fn memory(&self) -> io::Result<Memory>;

    /// The size in bytes of the file system that holds `path` or its nearest parent.
    fn storage_bytes(&self, path: &Path) -> io::Result<u64>;

    /// The local address from which packets to `target` leave.
    fn address_towards(&self, target: SocketAddr) -> io::Result<IpAddr>;
}

pub type SharedMachine = Arc<dyn Machine>;
