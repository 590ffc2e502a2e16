//! The machine. The only room that asks the operating system about it, besides `rt`.

mod cgroup;
mod fake;
pub mod giving;
mod kernel;
mod linux;
pub mod open_dir;
pub mod process;
pub mod service;
pub mod shared;
pub mod tree;
pub mod view;

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

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    pub total: u64,
    /// What a process without privileges can still fill.
    pub free: u64,
}

/// What the kernel groups processes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
    Missing,
}

pub trait Machine: Send + Sync {
    fn hostname(&self) -> io::Result<String>;

    /// CPUs that this process may use.
    fn cpus(&self) -> u32;

    fn memory(&self) -> io::Result<Memory>;

    /// The file system that holds `path` or its nearest parent.
    fn storage(&self, path: &Path) -> io::Result<Storage>;

    /// The local address from which packets to `target` leave.
    fn address_towards(&self, target: SocketAddr) -> io::Result<IpAddr>;

    /// Whether this is an address of the machine.
    fn has_address(&self, address: IpAddr) -> bool;

    /// A kernel parameter by its dotted name, as `sysctl` shows it.
    fn kernel_parameter(&self, name: &str) -> Option<String>;

    /// The kernel's release, for example `6.1.0-18-amd64`.
    fn kernel_release(&self) -> String;

    /// How many files a service may be allowed to open.
    fn open_files(&self) -> u64;

    fn swap_bytes(&self) -> u64;

    /// What stands in `/etc/machine-id`.
    fn machine_id(&self) -> Option<String>;

    /// Another one each time the machine boots.
    fn boot_id(&self) -> Option<String>;

    fn cgroup_version(&self) -> CgroupVersion;

    /// Addresses and ports on which some process listens.
    fn listening(&self) -> Vec<SocketAddr>;

    /// Whether systemd is in charge of services.
    fn has_systemd(&self) -> bool;

    fn is_root(&self) -> bool;
}

pub type SharedMachine = Arc<dyn Machine>;
