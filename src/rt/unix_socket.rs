//! Unix sockets in directories whose path may be longer than a socket's may.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// A socket's path may have 107 bytes only; the same place, reached through an open directory.
fn short_path(dir: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

/// Listens on `dir/name`; a socket left over there is replaced. The caller holds a lock that
/// says that no other process is using it.
pub fn listen(dir: &Path, name: &str) -> io::Result<UnixListener> {
    match fs::remove_file(dir.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let dir = File::open(dir)?;
    UnixListener::bind(short_path(&dir, name))
}

pub async fn connect(dir: &Path, name: &str) -> io::Result<UnixStream> {
    let dir = File::open(dir)?;
    UnixStream::connect(short_path(&dir, name)).await
}
