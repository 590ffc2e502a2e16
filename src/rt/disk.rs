//! Room on a disk.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{fcntl::posix_fallocate, sys::statvfs::statvfs};

/// The size of the file system that holds `path`, in bytes.
pub fn size_of_disk(path: &Path) -> io::Result<u64> {
    let found = statvfs(path)?;
    Ok(found.blocks() * found.fragment_size())
}

/// Makes `file` take up `bytes` on its disk, as 0600. Where there is no room for all of them there
/// is no file afterwards.
pub fn allocate(file: &Path, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).mode(0o600).open(file)?;
    let allocated = posix_fallocate(&opened, 0, length);
    if allocated.is_err() {
        fs::remove_file(file)?;
    }
    Ok(allocated?)
}
