use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
    thread,
};

use nix::{sys::statvfs::statvfs, unistd::gethostname};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::{Machine, Memory, cgroup};
use crate::model::CapacitySource;

/// The machine this process runs on.
pub struct LinuxMachine;

impl Machine for LinuxMachine {
    fn hostname(&self) -> io::Result<String> {
        let name = gethostname()?;
        name.into_string().map_err(|_| io::Error::other("the host name is not UTF-8"))
    }

    fn cpus(&self) -> u32 {
        thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
    }

    fn memory(&self) -> io::Result<Memory> {
        let what = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(what))
            .map_err(|error| io::Error::other(format!("reading the memory size: {error:?}")))?;
        let physical = system.total_memory();
        Ok(match cgroup::memory_limit(Path::new("/")) {
            Some(limit) if limit < physical => {
                Memory { bytes: limit, source: CapacitySource::Cgroup }
            }
            _ => Memory { bytes: physical, source: CapacitySource::Physical },
        })
    }

    fn storage_bytes(&self, path: &Path) -> io::Result<u64> {
        let nearest = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let found = statvfs(nearest)?;
        Ok(found.blocks() * found.fragment_size())
    }

    fn address_towards(&self, target: SocketAddr) -> io::Result<IpAddr> {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Connecting a datagram socket sends nothing; it only picks the route.
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(target)?;
        Ok(socket.local_addr()?.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_read() {
        let machine = LinuxMachine;
        assert!(!machine.hostname().expect("a name").is_empty());
        assert!(machine.cpus() > 0);
        assert!(machine.memory().expect("memory").bytes > 1 << 20);
        assert!(machine.storage_bytes(Path::new("/no/such/path")).expect("storage") > 1 << 20);
        let target = "127.0.0.9:1".parse().expect("an address");
        assert_eq!(machine.address_towards(target).expect("a route").to_string(), "127.0.0.1");
    }
}
