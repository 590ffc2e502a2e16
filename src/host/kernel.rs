//! What the kernel says in its files. `root` is where they are mounted: `/`, or a tree made by a
//! test.

use std::{fs, net::SocketAddr, path::Path};

use super::CgroupVersion;
use crate::rt::listening_sockets;

fn read(root: &Path, path: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(path)).ok()?;
    Some(text.trim().to_owned())
}

pub(super) fn parameter(root: &Path, name: &str) -> Option<String> {
    read(root, &format!("proc/sys/{}", name.replace('.', "/")))
}

pub(super) fn release(root: &Path) -> String {
    parameter(root, "kernel.osrelease").unwrap_or_default()
}

pub(super) fn machine_id(root: &Path) -> Option<String> {
    read(root, "etc/machine-id")
}

pub(super) fn boot_id(root: &Path) -> Option<String> {
    parameter(root, "kernel.random.boot_id")
}

pub(super) fn swap_bytes(root: &Path) -> u64 {
    let swaps = read(root, "proc/swaps").unwrap_or_default();
    let kib = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    swaps.lines().skip(1).filter_map(kib).sum::<u64>() << 10
}

pub(super) fn cgroup_version(root: &Path) -> CgroupVersion {
    let mount = root.join("sys/fs/cgroup");
    if mount.join("cgroup.controllers").exists() {
        CgroupVersion::V2
    } else if mount.join("memory").exists() {
        CgroupVersion::V1
    } else {
        CgroupVersion::Missing
    }
}

pub(super) fn has_systemd(root: &Path) -> bool {
    root.join("run/systemd/system").is_dir()
}

pub(super) fn listening(root: &Path) -> Vec<SocketAddr> {
    let tables = ["proc/net/tcp", "proc/net/tcp6"].map(|table| read(root, table));
    let sockets = tables.iter().flatten().flat_map(|table| listening_sockets(table));
    sockets.map(|socket| socket.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_from_its_files() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |path: &str, content: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, content).expect("written");
        };
        write("proc/sys/vm/max_map_count", "65530\n");
        write("proc/swaps", "Filename Type Size Used Priority\n/swap file 1024 0 -2\n");
        write(
            "proc/net/tcp",
            "  sl  local_address rem_address   st\n   0: 0100007F:3037 00000000:0000 0A 0\n   1: 0100007F:3038 00000000:0000 01 0\n",
        );
        write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
        assert_eq!(parameter(root.path(), "vm.max_map_count").as_deref(), Some("65530"));
        assert_eq!(swap_bytes(root.path()), 1 << 20);
        assert_eq!(cgroup_version(root.path()), CgroupVersion::V2);
        assert_eq!(listening(root.path()), ["127.0.0.1:12343".parse().expect("an address")]);
        assert_eq!(cgroup_version(Path::new("/nowhere")), CgroupVersion::Missing);
    }
}
