use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};

/// An exclusive lock that ends with the process that holds it.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

#[derive(Debug, thiserror::Error)]
pub enum LockHeld {
    #[error("another process holds it")]
    ByAnother,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileLock {
    /// Takes the lock or fails at once.
    pub fn take(path: &Path) -> Result<Self, LockHeld> {
        // A link in its place would make root create what somebody else has chosen.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Err(LockHeld::ByAnother),
            Err((_, errno)) => Err(LockHeld::Io(errno.into())),
        }
    }
}
