//! Why something on the disk cannot be got at.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, Uid, User, access};

/// The first directory on the way to `path` that this process may not pass.
pub fn closed_dir(path: &Path) -> Option<PathBuf> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let denied = |path: &&Path| {
        fs::symlink_metadata(path).is_err_and(|it| it.kind() == io::ErrorKind::PermissionDenied)
    };
    way.into_iter().find(denied)?.parent().map(Path::to_owned)
}

/// An error met at `path` in words, with the directory that is closed, if one is.
pub fn why_not(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => return "it is not there".into(),
        io::ErrorKind::NotADirectory => return "it is not a directory".into(),
        io::ErrorKind::PermissionDenied => {}
        _ => return error.to_string(),
    }
    let closed = closed_dir(path).unwrap_or_else(|| path.to_owned());
    match fs::metadata(&closed) {
        Ok(found) => {
            let owner = User::from_uid(Uid::from_raw(found.uid())).ok().flatten();
            let owner = owner.map_or(found.uid().to_string(), |user| user.name);
            let (closed, mode) = (closed.display(), found.mode() & 0o7777);
            format!("{error}: {closed} is closed, it belongs to {owner} and has mode {mode:04o}")
        }
        Err(_) => error.to_string(),
    }
}

/// Whether this process may write in the directory `path`, or make it; nothing is written.
pub fn may_write_in(path: &Path) -> io::Result<()> {
    for dir in path.ancestors() {
        match fs::metadata(dir) {
            Ok(found) if !found.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
            Ok(_) => return Ok(access(dir, AccessFlags::W_OK | AccessFlags::X_OK)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
