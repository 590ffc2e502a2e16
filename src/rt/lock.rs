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
        let file = match open(path, OpenOptions::new().create(true)) {
            // Whoever has a lease of it (fcntl(2)) is to be asked first.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(LockHeld::ByAnother);
            }
            opened => opened?,
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Err(LockHeld::ByAnother),
            Err((_, errno)) => Err(LockHeld::Io(errno.into())),
        }
    }

    /// Whether some process holds it; the file is not made for that.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        let file = match open(path, &mut OpenOptions::new()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(_) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

/// A link in its place would make root create what somebody else has chosen, and a pipe would
/// hold it up: both are errors.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = options.write(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a plain file")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_the_lock_is_an_error_and_holds_nobody_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let taking = {
            let path = path.clone();
            std::thread::spawn(move || FileLock::take(&path))
        };
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while !taking.is_finished() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(taking.is_finished(), "it waits for somebody at the other end");
        taking.join().expect("no panic").expect_err("nobody reads");
        let _reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .expect("opened");
        FileLock::take(&path).expect_err("not a plain file");
    }
}
