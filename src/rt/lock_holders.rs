//! Which processes keep a file locked, as far as this user may see (proc(5)).

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::sys::stat::{major, minor};

/// Open files that are looked at, of all processes.
const MOST: usize = 1_000_000;

/// A process, and what it calls itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    pub process: u32,
    name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

/// Those that hold a lock or a lease of this file. Who has inherited a lock holds it too, and is not
/// the one that the kernel's list of locks names: that is asked only where no open file may be seen.
pub fn lock_holders(file: &Path) -> Vec<Holder> {
    let Ok(found) = fs::symlink_metadata(file) else { return Vec::new() };
    let wanted = Wanted {
        path: fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()),
        inode: found.ino(),
        device: (major(found.dev()), minor(found.dev())),
    };
    let mut left = MOST;
    let mut holders: Vec<u32> =
        processes().into_iter().filter(|process| wanted.is_held_by(*process, &mut left)).collect();
    if holders.is_empty() {
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        holders = locks.lines().filter(|line| wanted.is_named(line)).filter_map(owner).collect();
        holders.dedup();
    }
    let named = |process| {
        let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        Some(Holder { process, name: name.trim_end().to_owned() })
    };
    holders.into_iter().filter_map(named).collect()
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

struct Wanted {
    path: PathBuf,
    inode: u64,
    device: (u64, u64),
}

impl Wanted {
    /// Nothing is asked of the file systems that its files are on, which may not answer.
    fn is_held_by(&self, process: u32, left: &mut usize) -> bool {
        let dir = PathBuf::from(format!("/proc/{process}"));
        let files = fs::read_dir(dir.join("fdinfo")).into_iter().flatten().flatten();
        for file in files.map(|it| it.file_name()) {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let info = fs::read_to_string(dir.join("fdinfo").join(&file)).unwrap_or_default();
            let mut locks = info.lines().filter_map(|line| line.strip_prefix("lock:"));
            // Some file systems have another number where it is mounted.
            let by_path = |inode| {
                inode == self.inode
                    && fs::read_link(dir.join("fd").join(&file)).is_ok_and(|it| it == self.path)
            };
            if locks.any(|lock| self.is_named(lock) || place(lock).is_some_and(|it| by_path(it.1)))
            {
                return true;
            }
        }
        false
    }

    fn is_named(&self, lock: &str) -> bool {
        place(lock) == Some((self.device, self.inode))
    }
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF`: the device and the inode. Who waits for it has
/// an arrow after the number.
fn place(lock: &str) -> Option<((u64, u64), u64)> {
    let mut parts = lock.split_whitespace().nth(5).filter(|_| !lock.contains("->"))?.split(':');
    let hexadecimal = |part| u64::from_str_radix(part, 16).ok();
    let device = (hexadecimal(parts.next()?)?, hexadecimal(parts.next()?)?);
    Some((device, parts.next()?.parse().ok()?))
}

fn owner(lock: &str) -> Option<u32> {
    lock.split_whitespace().nth(4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::rt::FileLock;

    #[test]
    fn whoever_holds_a_lock_is_named_and_whoever_has_inherited_it_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        assert_eq!(lock_holders(&path), []);
        let held = FileLock::take(&path).expect("free");
        let own = std::process::id();
        let processes = || lock_holders(&path).iter().map(|it| it.process).collect::<Vec<_>>();
        assert_eq!(processes(), [own]);
        drop(held);
        assert!(processes().is_empty());
        // The process that took it has ended.
        let mut flock = Command::new("sh");
        let script = "exec 9>\"$1\"; (flock 9); exec sleep 60";
        let mut child = flock.args(["-c", script, "sh"]).arg(&path).spawn().expect("a process");
        while FileLock::is_held(&path).is_ok_and(|held| !held) || processes().len() != 1 {
            std::thread::yield_now();
        }
        assert_eq!(processes(), [child.id()]);
        while lock_holders(&path)[0].to_string() != format!("sleep (process {})", child.id()) {
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    #[test]
    fn who_waits_for_a_lock_does_not_hold_it() {
        let line = "1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF";
        assert_eq!(place(line), Some(((0xfe, 1), 1_234)));
        assert_eq!(owner(line), Some(4_711));
        assert_eq!(place("1: -> FLOCK  ADVISORY  WRITE 4712 fe:01:1234 0 EOF"), None);
        assert_eq!(place("1: FLOCK"), None);
    }
}
