use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{CgroupVersion, Machine, Memory, Storage};
use crate::model::CapacitySource;

/// A machine as a test or a simulation wants it.
#[derive(Debug)]
pub struct FakeMachine {
    pub hostname: String,
    pub cpus: u32,
    pub memory_bytes: AtomicU64,
    pub storage_bytes: u64,
    /// Its name, its memory and its file systems cannot be read.
    pub unreadable: AtomicBool,
    pub address: IpAddr,
    /// An address of another machine.
    pub elsewhere: Option<IpAddr>,
    pub max_map_count: u64,
    pub open_files: u64,
    pub kernel: String,
    pub machine_id: Option<String>,
    pub listening: Vec<SocketAddr>,
    pub swap_bytes: u64,
    pub cgroup: CgroupVersion,
}

impl Default for FakeMachine {
    fn default() -> Self {
        Self {
            hostname: "fake".into(),
            cpus: 4,
            memory_bytes: AtomicU64::new(14_586 << 20),
            storage_bytes: 1 << 40,
            unreadable: AtomicBool::new(false),
            address: Ipv4Addr::LOCALHOST.into(),
            elsewhere: None,
            max_map_count: 262_144,
            open_files: 1_048_576,
            kernel: "6.1.0".into(),
            machine_id: Some("4f1c2a0be7d84b6f9a3d5c7e1b2f8a60".into()),
            listening: Vec::new(),
            swap_bytes: 0,
            cgroup: CgroupVersion::V2,
        }
    }
}

impl FakeMachine {
    fn read(&self) -> io::Result<()> {
        match self.unreadable.load(Ordering::SeqCst) {
            true => Err(io::Error::other("it does not answer")),
            false => Ok(()),
        }
    }
}

impl Machine for FakeMachine {
    fn hostname(&self) -> io::Result<String> {
        self.read()?;
        Ok(self.hostname.clone())
    }

    fn cpus(&self) -> u32 {
        self.cpus
    }

    fn memory(&self) -> io::Result<Memory> {
        self.read()?;
        let bytes = self.memory_bytes.load(Ordering::SeqCst);
        Ok(Memory { bytes, source: CapacitySource::Physical })
    }

    fn storage(&self, _path: &Path) -> io::Result<Storage> {
        self.read()?;
        Ok(Storage { total: self.storage_bytes, free: self.storage_bytes })
    }

    fn address_towards(&self, _target: SocketAddr) -> io::Result<IpAddr> {
        Ok(self.address)
    }

    fn has_address(&self, address: IpAddr) -> bool {
        self.elsewhere != Some(address)
    }

    fn kernel_parameter(&self, name: &str) -> Option<String> {
        (name == "vm.max_map_count").then(|| self.max_map_count.to_string())
    }

    fn kernel_release(&self) -> String {
        self.kernel.clone()
    }

    fn open_files(&self) -> u64 {
        self.open_files
    }

    fn swap_bytes(&self) -> u64 {
        self.swap_bytes
    }

    fn machine_id(&self) -> Option<String> {
        self.machine_id.clone()
    }

    fn boot_id(&self) -> Option<String> {
        Some("0b7c1e52-1d1c-4d0e-9a43-a3f0a3d0d3a1".into())
    }

    fn cgroup_version(&self) -> CgroupVersion {
        self.cgroup
    }

    fn listening(&self) -> Vec<SocketAddr> {
        self.listening.clone()
    }

    fn has_systemd(&self) -> bool {
        true
    }

    fn is_root(&self) -> bool {
        true
    }
}
