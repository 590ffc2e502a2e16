//! Unix sockets in directories whose path may be longer than a socket's may.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::FileTypeExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
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

/// Connects to `dir/name`, which must be a socket: a link to one elsewhere is an error.
pub async fn connect(dir: &Path, name: &str) -> io::Result<UnixStream> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = open(dir, OFlag::O_RDONLY | flags, Mode::empty())?;
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let socket = File::from(openat(&dir, name, flags, Mode::empty())?);
    if !socket.metadata()?.file_type().is_socket() {
        return Err(io::Error::other(format!("{name} is not a socket")));
    }
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}
