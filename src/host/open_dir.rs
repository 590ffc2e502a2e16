//! An open directory. What is done in it cannot be led elsewhere by whoever may write there.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    time::SystemTime,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat, renameat},
    sys::stat::{Mode, fchmod, fstat, mkdirat},
    unistd::{UnlinkatFlags, fchown, mkdir, unlinkat},
};

use super::tree::Owner;

const NO_LINK: OFlag =
    OFlag::O_CLOEXEC.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

#[derive(Debug)]
pub struct OpenDir(OwnedFd);

/// A plain file with one name, open for reading.
pub struct PlainFile {
    file: File,
    pub owner: Owner,
    /// The permission bits.
    pub mode: u32,
}

impl PlainFile {
    /// The whole content, of at most `limit` bytes.
    pub fn read(self, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.file.take(limit + 1).read_to_end(&mut content)?;
        match content.len() as u64 > limit {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(content),
        }
    }

    pub fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Writes all of it, which is at most `most` bytes, into `to`; on disk when it returns.
    pub fn copy_to(mut self, mut to: File, most: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        io::copy(&mut (&mut self.file).take(most), &mut to)?;
        to.sync_all()
    }
}

fn mode_of(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode as nix::libc::mode_t)
}

fn missing_is_fine(done: Result<(), Errno>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl OpenDir {
    /// `None` if it is not there. Its parents must be somebody's who is trusted; a link in its own
    /// place is an error.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        match open(path, OFlag::O_DIRECTORY | NO_LINK, Mode::empty()) {
            Ok(dir) => Ok(Some(Self(dir))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes `path`, which was not there, for this process alone. Its parents must be somebody's who
    /// is trusted.
    pub fn make_new(path: &Path) -> io::Result<Self> {
        mkdir(path, mode_of(0o700))?;
        Self::open(path)?.ok_or(io::ErrorKind::NotFound)?.made_by_this_process()
    }

    /// Makes the directory `name`, which was not there, for this process alone.
    pub fn new_dir(&self, name: &str) -> io::Result<Self> {
        mkdirat(&self.0, name, mode_of(0o700))?;
        self.dir(name)?.ok_or(io::ErrorKind::NotFound)?.made_by_this_process()
    }

    fn made_by_this_process(self) -> io::Result<Self> {
        match self.owner()?.uid == Owner::of_this_process().uid {
            true => Ok(self),
            false => Err(io::Error::other("another has put a directory in its place")),
        }
    }

    /// `None` if it is not there.
    pub fn dir(&self, name: &str) -> io::Result<Option<Self>> {
        match openat(&self.0, name, OFlag::O_DIRECTORY | NO_LINK, Mode::empty()) {
            Ok(dir) => Ok(Some(Self(dir))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory `name`; one that is made now is `owner`'s, with `mode`.
    pub fn dir_or_make(&self, name: &str, owner: Owner, mode: u32) -> io::Result<Self> {
        let made = match mkdirat(&self.0, name, mode_of(0o700)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let dir = self.dir(name)?.ok_or(io::ErrorKind::NotFound)?;
        if made {
            dir.give(owner, mode)?;
        }
        Ok(dir)
    }

    /// Gives the directory itself to `owner`, with `mode`.
    pub fn give(&self, owner: Owner, mode: u32) -> io::Result<()> {
        let (uid, gid) = owner.ids();
        fchown(self.0.as_fd(), uid, gid)?;
        Ok(fchmod(self.0.as_fd(), mode_of(mode))?)
    }

    /// Closes it to all but its owner, if everybody can look into it.
    pub fn close_to_everybody(&self) -> io::Result<()> {
        match fstat(&self.0)?.st_mode & 0o007 {
            0 => Ok(()),
            _ => Ok(fchmod(self.0.as_fd(), mode_of(0o700))?),
        }
    }

    pub fn owner(&self) -> io::Result<Owner> {
        let found = fstat(&self.0)?;
        Ok(Owner { uid: found.st_uid, gid: found.st_gid })
    }

    /// The permission bits.
    pub fn mode(&self) -> io::Result<u32> {
        Ok(fstat(&self.0)?.st_mode & 0o7777)
    }

    /// Opens a file to read it; `None` if it is not there. All but a plain file with one name is
    /// an error.
    pub fn file(&self, name: &str) -> io::Result<Option<PlainFile>> {
        let file = match openat(&self.0, name, OFlag::O_RDONLY | NO_LINK, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() != 1 {
            return Err(io::Error::other(format!("{name} is not a plain file with one name")));
        }
        let owner = Owner { uid: found.uid(), gid: found.gid() };
        Ok(Some(PlainFile { file, owner, mode: found.mode() & 0o7777 }))
    }

    /// Makes a file that was not there, `owner`'s alone.
    pub fn create_file(&self, name: &str, owner: Owner) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | NO_LINK;
        let file = openat(&self.0, name, flags, mode_of(0o600))?;
        let (uid, gid) = owner.ids();
        fchown(file.as_fd(), uid, gid)?;
        Ok(File::from(file))
    }

    /// Puts a file with `content`, `owner`'s alone, into the place of what was there; on disk when
    /// it returns.
    pub fn replace_file(&self, name: &str, content: &[u8], owner: Owner) -> io::Result<()> {
        let beside = format!(".{name}.new");
        self.remove_file(&beside)?;
        let mut file = self.create_file(&beside, owner)?;
        file.write_all(content)?;
        file.sync_all()?;
        self.rename(&beside, name)
    }

    /// Moves what is in it by the name `from` to the name `to`; on disk when it returns.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        renameat(&self.0, OsStr::new(from), &self.0, OsStr::new(to))?;
        self.sync()
    }

    /// What was made in it, and moved, stays so.
    pub fn sync(&self) -> io::Result<()> {
        File::from(self.0.try_clone()?).sync_all()
    }

    /// Whether it was there.
    pub fn remove_file(&self, name: &str) -> io::Result<bool> {
        missing_is_fine(unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir))
    }

    /// Whether an empty directory was there; one that holds something stays.
    pub fn remove_empty_dir(&self, name: &str) -> io::Result<bool> {
        match unlinkat(&self.0, name, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY) => Ok(false),
            other => missing_is_fine(other),
        }
    }
}

/// Whether [`OpenDir::file`] has met a link, or something else that is in the place of a file.
pub fn is_no_plain_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other || error.raw_os_error() == Some(Errno::ELOOP as i32)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn own() -> Owner {
        Owner::of_this_process()
    }

    #[test]
    fn nothing_that_is_done_in_an_open_directory_follows_a_link() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path();
        let (inside, outside) = (path.join("inside"), path.join("outside"));
        fs::create_dir(&inside).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("file"), "theirs").expect("written");
        symlink(&outside, inside.join("dir")).expect("linked");
        symlink(outside.join("file"), inside.join("soft")).expect("linked");
        fs::hard_link(outside.join("file"), inside.join("hard")).expect("linked");
        symlink(outside.join("file"), inside.join(".new-one.new")).expect("linked");
        nix::unistd::mkfifo(&inside.join("pipe"), mode_of(0o600)).expect("made");
        let dir = OpenDir::open(&inside).expect("opened").expect("there");
        OpenDir::open(&inside.join("dir")).expect_err("a link");
        dir.dir("dir").expect_err("a link");
        dir.dir_or_make("dir", own(), 0o700).expect_err("a link");
        dir.new_dir("dir").expect_err("a link");
        OpenDir::make_new(&inside.join("dir")).expect_err("a link");
        for name in ["soft", "hard", "pipe", "dir"] {
            assert!(dir.file(name).is_err(), "{name}");
            dir.create_file(name, own()).expect_err(name);
        }
        dir.replace_file("new-one", b"ours", own()).expect("replaced");
        dir.replace_file("soft", b"ours", own()).expect("replaced");
        let read = dir.file("soft").expect("opened").expect("there").read(4).expect("read");
        assert_eq!(read, b"ours");
        assert!(dir.remove_file("hard").expect("removed"));
        assert!(!dir.remove_file("missing").expect("nothing there"));
        dir.remove_empty_dir("dir").expect_err("a link");
        assert_eq!(fs::read(outside.join("file")).expect("there"), b"theirs");
    }
}
