//! Directories that root makes for others, in places where somebody else may have put a link.
//! Nothing here follows a link in the last part of a path, and nothing is taken from a path twice.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, getegid, geteuid, unlinkat},
};

/// Whom something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Owner {
    pub const ROOT: Self = Self { uid: 0, gid: 0 };

    pub fn of_this_process() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    pub(super) fn ids(self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
    }
}

/// Makes `path`, whose parent must be somebody's who is trusted, and gives it to `owner` with
/// `mode`, whether or not it was there. A link or a file in its place is an error.
pub fn make_dir(path: &Path, owner: Owner, mode: u32) -> io::Result<()> {
    let dir = make_or_open(path)?;
    let (uid, gid) = owner.ids();
    fchown(dir.as_fd(), uid, gid)?;
    fchmod(dir.as_fd(), Mode::from_bits_truncate(mode as nix::libc::mode_t))?;
    Ok(())
}

/// Makes `path` as [`make_dir`] does, unless it is there.
pub fn make_dir_if_missing(path: &Path, owner: Owner, mode: u32) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => open_dir(path).map(|_| ()),
        Err(_) => make_dir(path, owner, mode),
    }
}

fn make_or_open(path: &Path) -> io::Result<OwnedFd> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(parent)?;
    let parent = open_dir_following(parent)?;
    match mkdirat(&parent, name, Mode::from_bits_truncate(0o700)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    open_below(parent.as_fd(), name, OFlag::O_DIRECTORY)
}

fn open_dir_following(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

pub(super) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    Ok(open(path, flags, Mode::empty())?)
}

pub(super) fn open_below(dir: BorrowedFd<'_>, name: &OsStr, more: OFlag) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | more;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

/// A directory on the way down, and those in it that were not looked at yet.
pub(super) struct Level {
    pub found: FileStat,
    pub left: Vec<OsString>,
}

impl Level {
    /// The directories in one, of which all else goes to `on_file`.
    pub fn of(
        dir: &OwnedFd,
        on_file: impl Fn(&OsStr, &FileStat) -> nix::Result<()>,
    ) -> io::Result<Self> {
        let mut left = Vec::new();
        let mut listing = Dir::from_fd(dir.try_clone()?)?;
        for entry in listing.iter() {
            let name = entry?.file_name().to_owned();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let name = OsStr::from_bytes(name.to_bytes());
            let found = match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(found) => found,
                // Whoever works there has removed it.
                Err(Errno::ENOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            match is(&found, SFlag::S_IFDIR) {
                true => left.push(name.to_owned()),
                false => on_file(name, &found)?,
            }
        }
        Ok(Self { found: fstat(dir)?, left })
    }
}

/// Removes a directory and all in it, however deep it is; whether it was there. No link is followed.
pub fn remove_tree(path: &Path) -> io::Result<bool> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let (parent, dir) = match (open_dir_following(parent), open_dir(path)) {
        (Ok(parent), Ok(dir)) => (parent, dir),
        (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(false);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    remove_below(dir)?;
    unlinkat(&parent, name, UnlinkatFlags::RemoveDir)?;
    Ok(true)
}

/// Removes what is in this place: a directory with all in it, or, if it is something else, a link
/// too, that itself. Whether it was there.
pub fn remove_whatever(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_dir() => match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        },
        _ => remove_tree(path),
    }
}

/// Removes the files of a directory; the names of the directories in it.
fn remove_files_in(dir: &OwnedFd) -> io::Result<Level> {
    Level::of(dir, |name, _| unlinkat(dir, name, UnlinkatFlags::NoRemoveDir))
}

/// However deep it is, one directory is open at a time: the way back leads over `..`.
fn remove_below(mut dir: OwnedFd) -> io::Result<()> {
    let mut levels = vec![remove_files_in(&dir)?];
    while let Some(level) = levels.last() {
        if let Some(name) = level.left.last() {
            dir = open_below(dir.as_fd(), name, OFlag::O_DIRECTORY)?;
            levels.push(remove_files_in(&dir)?);
            continue;
        }
        levels.pop();
        if let Some(above) = levels.last_mut() {
            dir = open_above(&dir, &above.found)?;
            if let Some(name) = above.left.pop() {
                unlinkat(&dir, &name[..], UnlinkatFlags::RemoveDir)?;
            }
        }
    }
    Ok(())
}

/// The directory above `dir`, which must be the one that the way down led through.
pub(super) fn open_above(dir: &OwnedFd, above: &FileStat) -> io::Result<OwnedFd> {
    let dir = open_below(dir.as_fd(), OsStr::new(".."), OFlag::O_DIRECTORY)?;
    let found = fstat(&dir)?;
    match (found.st_dev, found.st_ino) == (above.st_dev, above.st_ino) {
        true => Ok(dir),
        false => Err(io::Error::other("a directory was moved meanwhile")),
    }
}

pub(super) fn is(found: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) == kind
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    fn own() -> Owner {
        Owner::of_this_process()
    }

    #[test]
    fn a_tree_deeper_than_a_process_may_have_files_open_is_removed_and_no_link_followed() {
        let root = tempfile::tempdir().expect("a directory");
        let outside = root.path().join("outside");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("file"), "theirs").expect("written");
        let top = root.path().join("top");
        fs::create_dir(&top).expect("made");
        let mut dir = open_dir(&top).expect("opened");
        for _ in 0..1_500 {
            mkdirat(&dir, "d", Mode::from_bits_truncate(0o700)).expect("made");
            mkdirat(&dir, "e", Mode::from_bits_truncate(0o700)).expect("made");
            nix::unistd::symlinkat(&outside, &dir, "link").expect("linked");
            dir = open_below(dir.as_fd(), OsStr::new("d"), OFlag::O_DIRECTORY).expect("opened");
        }
        assert!(remove_tree(&top).expect("removed"));
        assert!(!top.exists() && outside.join("file").exists());
        assert!(!remove_tree(&top).expect("it is gone"));
        symlink(&outside, &top).expect("linked");
        remove_tree(&top).expect_err("a link");
        assert!(remove_whatever(&top).expect("the link goes"));
        assert!(!remove_whatever(&top).expect("it is gone"));
        assert!(outside.join("file").exists());
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_an_error_and_its_target_stays_as_it_is() {
        let root = tempfile::tempdir().expect("a directory");
        let target = root.path().join("target");
        fs::create_dir(&target).expect("made");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).expect("set");
        let link = root.path().join("link");
        symlink(&target, &link).expect("linked");
        make_dir(&link, own(), 0o700).expect_err("it is a link");
        make_dir_if_missing(&link, own(), 0o700).expect_err("it is a link");
        assert_eq!(fs::metadata(&target).expect("there").mode() & 0o777, 0o755);
        make_dir(&root.path().join("a/b"), own(), 0o710).expect("made");
        assert_eq!(fs::metadata(root.path().join("a/b")).expect("there").mode() & 0o777, 0o710);
    }
}
