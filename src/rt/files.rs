//! Files that are either the old one or the new one after a crash, and private from birth.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use nix::fcntl::OFlag;

/// Creates `dir` and its parents; those it creates are 0700.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Replaces `path` with `content` at mode 0600, on disk when it returns.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(".new");
    let temporary = dir.join(temporary_name);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let placed = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = placed {
        // What is wrong with the disk was met already.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(dir)?.sync_all()
}

/// Replaces `path` as [`write_private`] does, for everybody to read. What is so already stays the
/// file that it is.
pub fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    if is_public(path, content).unwrap_or(false) {
        return Ok(());
    }
    write_private(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Whether the caller's own file is there, for everybody to read, with just this content.
fn is_public(path: &Path, content: &[u8]) -> io::Result<bool> {
    let Some(file) = open_kept(path)? else { return Ok(false) };
    let found = file.metadata()?;
    let is_ours = found.uid() == nix::unistd::geteuid().as_raw()
        && found.gid() == nix::unistd::getegid().as_raw();
    let is_open = found.permissions().mode() & 0o7777 == 0o644;
    let is_as_long = found.len() == content.len() as u64;
    Ok(is_ours && is_open && is_as_long && read_to_limit(file, found.len())? == content)
}

/// Removes `path` if it is there, on disk when it returns.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        },
    }
}

/// Why a file that should be its owner's alone was not read.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    #[error("it can be read by others")]
    NotPrivate,
    #[error("it belongs to another user")]
    OfAnother,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a whole file that nobody but its owner may read, of at most `limit` bytes. A link in its
/// place is an error, and so is anything else that is not a plain file.
pub fn read_private(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PrivateFileError> {
    Ok(read_with_owner(path, limit)?.map(|(_, content)| content))
}

/// Reads a file as [`read_private`] does, which must be the caller's own.
pub fn read_own(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PrivateFileError> {
    match read_with_owner(path, limit)? {
        Some((owner, _)) if owner != nix::unistd::geteuid().as_raw() => {
            Err(PrivateFileError::OfAnother)
        }
        found => Ok(found.map(|(_, content)| content)),
    }
}

/// Who owns the file, and what is in it.
fn read_with_owner(path: &Path, limit: u64) -> Result<Option<(u32, Vec<u8>)>, PrivateFileError> {
    let Some(file) = open_kept(path)? else { return Ok(None) };
    let found = file.metadata()?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(PrivateFileError::NotPrivate);
    }
    Ok(Some((found.uid(), read_to_limit(file, limit)?)))
}

/// Why a file that should be the caller's alone is not, if it is there and is not.
pub fn why_exposed(path: &Path) -> Option<PrivateFileError> {
    let found = fs::symlink_metadata(path).ok()?;
    match (found.permissions().mode() & 0o077, found.uid() == nix::unistd::geteuid().as_raw()) {
        (_, false) => Some(PrivateFileError::OfAnother),
        (0, true) => None,
        (_, true) => Some(PrivateFileError::NotPrivate),
    }
}

/// Reads a whole file of at most `limit` bytes that somebody has named, or `None` if it is not there.
/// It may be a pipe.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    read_to_limit(file, limit).map(Some)
}

/// Reads a file of at most `limit` bytes that this program keeps, or `None` if it is not there. A
/// link or a pipe in its place is an error and holds nobody up.
pub fn read_kept(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match open_kept(path)? {
        Some(file) => read_to_limit(file, limit).map(Some),
        None => Ok(None),
    }
}

/// Opens a file as [`read_kept`] does; `None` if it is not there.
pub fn open_kept(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.metadata()?.is_file() {
        true => Ok(Some(file)),
        false => Err(io::Error::other("it is not a plain file")),
    }
}

pub(super) fn read_to_limit(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {limit} bytes"),
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_file_that_is_as_it_should_be_stays_the_file_that_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let write = |content: &str| {
            write_public(&path, content.as_bytes()).expect("written");
            let found = fs::symlink_metadata(&path).expect("there");
            assert_eq!(found.permissions().mode(), 0o100_644);
            found.ino()
        };
        let first = write("one");
        assert_eq!(write("one"), first);
        let other = write("two");
        assert_ne!(other, first);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).expect("set");
        assert_ne!(write("two"), other);
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("linked");
        write("two");
    }

    #[test]
    fn a_written_file_is_private_and_replaces_the_old_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        write_private(&path, b"old").expect("written");
        write_private(&path, b"new").expect("written again");
        assert_eq!(read_limited(&path, 3).expect("read"), Some(b"new".to_vec()));
        assert_eq!(read_private(&path, 3).expect("private"), Some(b"new".to_vec()));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        assert!(why_exposed(&path).is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(why_exposed(&path), Some(PrivateFileError::NotPrivate)));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        read_private(&link, 3).expect_err("a link");
        fs::remove_file(&link).expect("removed");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
        nix::unistd::mkfifo(&link, nix::sys::stat::Mode::S_IRWXU).expect("made");
        read_kept(&link, 3).expect_err("a pipe");
        assert_eq!(read_kept(&path, 3).expect("read"), Some(b"new".to_vec()));
        let in_the_way = dir.path().join("dir");
        fs::create_dir(&in_the_way).expect("made");
        write_private(&in_the_way, b"new").expect_err("a directory");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 3, "nothing is left of it");
        fs::remove_file(&link).expect("removed");
        assert_eq!(
            read_limited(&path, 2).expect_err("too long").kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
