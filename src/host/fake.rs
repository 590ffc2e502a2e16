use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use super::{Machine, Memory};
use crate::model::CapacitySource;

/// A machine as a test or a simulation wants it.
#[derive(Debug, Clone)]
pub struct FakeMachine {
    pub hostname: String,
    pub cpus: u32,
    pub memory: Memory,
    pub storage_bytes: u64,
    pub address: IpAddr,
}

impl Default for FakeMachine {
    fn default() -> Self {
        Self {
            hostname: "fake".into(),
            cpus: 4,
            memory: Memory { bytes: 14_586 << 20, source: CapacitySource::Physical },
            storage_bytes: 1 << 40,
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Machine for FakeMachine {
    fn hostname(&self) -> io::Result<String> {
        Ok(self.hostname.clone())
    }

    fn cpus(&self) -> u32 {
        self.cpus
    }

    fn memory(&self) -> io::Result<Memory> {
        Ok(self.memory)
    }

    fn storage_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.storage_bytes)
    }

    fn address_towards(&self, _target: SocketAddr) -> io::Result<IpAddr> {
        Ok(self.address)
    }
}
