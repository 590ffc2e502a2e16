//! Room on a disk.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{errno::Errno, fcntl::posix_fallocate, sys::statvfs::statvfs};

/// The signal to whoever writes a file beyond the limit of file sizes.
pub const FILE_MAY_NOT_GROW: i32 = nix::libc::SIGXFSZ;

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
    let taken = opened.metadata()?.blocks() * BLOCK;
    let found = statvfs(file)?;
    let free = found.blocks_available() * found.fragment_size();
    // Where it is known that there is not enough, nobody else's room is taken for a moment.
    let allocated = match free < bytes.saturating_sub(taken) {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => fallocate(&opened, length),
    };
    if allocated.is_err() {
        fs::remove_file(file)?;
    }
    allocated
}

/// Writes `bytes` into a new `file` from `offset` on, and removes it: why it cannot, if so.
pub fn try_to_grow(file: &Path, offset: u64, bytes: usize) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    let written = opened.write_all_at(&vec![0; bytes], offset);
    fs::remove_file(file)?;
    written
}

/// What a file's blocks are counted in, whatever its file system (stat(2)).
const BLOCK: u64 = 512;

fn fallocate(file: &File, length: i64) -> io::Result<()> {
    loop {
        match posix_fallocate(file, 0, length) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}
