use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
    thread,
};

use nix::{
    sys::{
        resource::{Resource, getrlimit},
        statvfs::statvfs,
    },
    unistd::{geteuid, gethostname},
};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::{CgroupVersion, Machine, Memory, Storage, cgroup, kernel};
use crate::model::CapacitySource;

/// Where the kernel's and the system's files are.
const ROOT: &str = "/";

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
        Ok(match cgroup::memory_limit(ROOT.as_ref()) {
            Some(limit) if limit < physical => {
                Memory { bytes: limit, source: CapacitySource::Cgroup }
            }
            _ => Memory { bytes: physical, source: CapacitySource::Physical },
        })
    }

    fn storage(&self, path: &Path) -> io::Result<Storage> {
        let nearest = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let found = statvfs(nearest)?;
        let bytes = |blocks: u64| blocks * found.fragment_size();
        Ok(Storage { total: bytes(found.blocks()), free: bytes(found.blocks_available()) })
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

    fn has_address(&self, address: IpAddr) -> bool {
        TcpListener::bind((address, 0)).is_ok()
    }

    fn kernel_parameter(&self, name: &str) -> Option<String> {
        kernel::parameter(ROOT.as_ref(), name)
    }

    fn kernel_release(&self) -> String {
        kernel::release(ROOT.as_ref())
    }

    fn open_files(&self) -> u64 {
        let most = self.kernel_parameter("fs.nr_open").and_then(|text| text.parse().ok());
        let most = most.unwrap_or(u64::MAX);
        // A service manager that may raise limits is bound by the kernel alone.
        match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((_, hard)) if !self.has_systemd() => hard.min(most),
            _ => most,
        }
    }

    fn swap_bytes(&self) -> u64 {
        kernel::swap_bytes(ROOT.as_ref())
    }

    fn machine_id(&self) -> Option<String> {
        kernel::machine_id(ROOT.as_ref())
    }

    fn boot_id(&self) -> Option<String> {
        kernel::boot_id(ROOT.as_ref())
    }

    fn cgroup_version(&self) -> CgroupVersion {
        kernel::cgroup_version(ROOT.as_ref())
    }

    fn listening(&self) -> Vec<SocketAddr> {
        kernel::listening(ROOT.as_ref())
    }

    fn has_systemd(&self) -> bool {
        kernel::has_systemd(ROOT.as_ref())
    }

    fn is_root(&self) -> bool {
        geteuid().is_root()
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
        assert!(machine.storage(Path::new("/no/such/path")).expect("storage").total > 1 << 20);
        let target = "127.0.0.9:1".parse().expect("an address");
        assert_eq!(machine.address_towards(target).expect("a route").to_string(), "127.0.0.1");
    }
}
