use std::{fs, path::Path};

/// The least memory limit, in bytes, of the control groups that enclose this process, in
/// version 2 or 1 of the kernel's interface; `None` if there is no limit.
///
/// `root` is where the kernel's file systems are mounted: `/`, or a tree made by a test.
pub(super) fn memory_limit(root: &Path) -> Option<u64> {
    let membership = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mount = root.join("sys/fs/cgroup");
    membership
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
            if controllers.is_empty() {
                least_on_the_way_up(&mount, group, "memory.max")
            } else if controllers.split(',').any(|name| name == "memory") {
                least_on_the_way_up(&mount.join("memory"), group, "memory.limit_in_bytes")
            } else {
                None
            }
        })
        .min()
}

/// Inside a container the group's path may be the host's and lead nowhere; then the mount's
/// own limit is the one that counts.
fn least_on_the_way_up(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let mut least = read_limit(&mount.join(file));
    let mut dir = mount.to_path_buf();
    for part in group.split('/').filter(|part| !part.is_empty() && *part != "..") {
        dir.push(part);
        least = [least, read_limit(&dir.join(file))].into_iter().flatten().min();
    }
    least
}

fn read_limit(file: &Path) -> Option<u64> {
    // "max", and version 1's number near 2^63, mean no limit.
    let limit: u64 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < 1 << 60).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, content).expect("written");
        }
        root
    }

    #[test]
    fn version_2_takes_the_least_limit_on_the_way_up() {
        let root = tree(&[
            ("proc/self/cgroup", "0::/slice/unit\n"),
            ("sys/fs/cgroup/slice/memory.max", "4294967296\n"),
            ("sys/fs/cgroup/slice/unit/memory.max", "max\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(4 << 30));
    }

    #[test]
    fn version_1_reads_the_memory_controller() {
        let root = tree(&[
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/box\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1073741824\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(1 << 30));
    }

    #[test]
    fn a_container_sees_its_limit_at_the_mount_itself() {
        let root = tree(&[
            ("proc/self/cgroup", "0::/../../host/path\n"),
            ("sys/fs/cgroup/memory.max", "2147483648\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(2 << 30));
    }

    #[test]
    fn no_limit_is_no_limit() {
        let root = tree(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")]);
        assert_eq!(memory_limit(root.path()), None);
        assert_eq!(memory_limit(Path::new("/nowhere")), None);
    }
}
