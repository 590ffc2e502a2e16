//! What the service sees of the host storage path: its own directories there, and nothing of the
//! way to them, which their owners may close at any time.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::stat::Mode,
};

use super::shared::is_shared;
use crate::model::{SERVICE_STATE_DIR, StorageLayout};

pub struct StorageView<'a> {
    storage: &'a Path,
}

impl<'a> StorageView<'a> {
    pub fn of(storage: &'a Path) -> Self {
        Self { storage }
    }

    /// The first directory on the way that is for the storage path alone: an empty one takes its
    /// place. `None` where others have theirs in it, or a unit cannot name it.
    fn cover(&self) -> Option<&'a Path> {
        let mut way: Vec<&Path> = self.storage.ancestors().collect();
        way.reverse();
        let cover = way.into_iter().find(|dir| !is_shared(dir))?;
        let hides_state = Path::new(SERVICE_STATE_DIR).starts_with(cover);
        let can_be_named = !cover.to_string_lossy().contains(':');
        (can_be_named && !hides_state).then_some(cover)
    }

    /// What a drop-in says of it; nothing for the path that the unit knows.
    pub fn drop_in(&self) -> Option<String> {
        if self.storage == Path::new(StorageLayout::DEFAULT_PATH) {
            return None;
        }
        let storage = quoted("", self.storage, "");
        let mut text = format!("[Unit]\nRequiresMountsFor={storage}\n\n[Service]\n");
        text.push_str("BindPaths=\nTemporaryFileSystem=\n");
        match self.cover() {
            Some(cover) => {
                text.push_str(&format!("TemporaryFileSystem={}\n", quoted("", cover, ":ro")));
                let instances = StorageLayout::of(self.storage).instances();
                text.push_str(&format!("BindPaths={}\n", quoted("-", &instances, "")));
            }
            None => text.push_str(&format!("ReadWritePaths={storage}\n")),
        }
        Some(text)
    }

    /// Lets this process, which is root's and has one thread, see these directories of the storage
    /// path as the service does. Where the system does not allow that, all stays in sight.
    pub fn enter(&self, dirs: &[&str]) -> io::Result<()> {
        match self.cover().map(|cover| self.enter_below(cover, dirs)) {
            Some(Err(error)) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }

    fn enter_below(&self, cover: &Path, dirs: &[&str]) -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
        let opened: Vec<(PathBuf, OwnedFd)> = dirs
            .iter()
            .map(|name| self.storage.join(name))
            .filter_map(|dir| Some((dir.clone(), open_place(&dir).ok()?)))
            .collect();
        if opened.is_empty() {
            return Ok(());
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("tmpfs"), cover, Some("tmpfs"), flags, Some("mode=755"))?;
        for (dir, place) in opened {
            make_way(cover, &dir)?;
            let place = format!("/proc/self/fd/{}", place.as_raw_fd());
            mount(Some(&place[..]), &dir, nothing, MsFlags::MS_BIND, nothing)?;
        }
        let read_only = flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        Ok(mount(nothing, cover, nothing, read_only, nothing)?)
    }
}

fn open_place(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(open(dir, flags, Mode::empty())?)
}

/// Makes `dir` and what is between it and `cover`, for everybody to pass.
fn make_way(cover: &Path, dir: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = dir.ancestors().take_while(|it| *it != cover).collect();
    missing.reverse();
    for dir in missing.into_iter().filter(|dir| !dir.exists()) {
        fs::create_dir(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A path as a unit's list of paths has it.
fn quoted(before: &str, path: &Path, after: &str) -> String {
    let path = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{before}{}{after}\"", path.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_the_first_directory_that_nobody_else_uses() {
        for (storage, cover) in [
            ("/mnt/data/elastic", Some("/mnt/data")),
            ("/srv/elastic", Some("/srv/elastic")),
            ("/data/a/b", Some("/data")),
            ("/var/lib/elastic/x", Some("/var/lib/elastic")),
            ("/var/lib/ece-agent/storage", None),
            ("/srv", None),
            ("/var/log/elastic", Some("/var/log/elastic")),
            ("/var/cache/elastic/x", Some("/var/cache/elastic")),
            ("/mnt/a:b/elastic", None),
        ] {
            assert_eq!(StorageView::of(Path::new(storage)).cover(), cover.map(Path::new));
        }
    }

    #[test]
    fn a_drop_in_takes_the_place_of_the_unit_s_own_path() {
        let drop_in = |storage: &str| StorageView::of(Path::new(storage)).drop_in();
        assert_eq!(drop_in(StorageLayout::DEFAULT_PATH), None);
        let text = drop_in("/srv/50%/x").expect("another path");
        assert!(text.contains("\nBindPaths=\nTemporaryFileSystem=\n"), "{text}");
        assert!(text.contains("\nTemporaryFileSystem=\"/srv/50%%:ro\"\n"), "{text}");
        assert!(text.contains("\nBindPaths=\"-/srv/50%%/x/instances\"\n"), "{text}");
        assert!(drop_in("/srv").expect("another").contains("ReadWritePaths=\"/srv\"\n"));
    }

    #[test]
    fn the_unit_that_is_shipped_shows_the_default_path_in_the_same_way() {
        let unit = include_str!("../../systemd/ece-agent.service");
        assert!(unit.contains("\nTemporaryFileSystem=/mnt/data:ro\n"), "{unit}");
        assert!(unit.contains("\nBindPaths=-/mnt/data/elastic/instances\n"), "{unit}");
        assert!(unit.contains("\nRequiresMountsFor=/mnt/data/elastic\n"), "{unit}");
    }
}
