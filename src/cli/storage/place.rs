//! Where a host may keep its data: in a directory that nobody and nothing else uses.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use crate::{
    cli::shell_word,
    host::{
        LinuxMachine, Machine, process::is_root, service::service_user, shared::is_shared,
        tree::Owner,
    },
    model::{Code, Failure, StorageLayout},
};

/// The system's, with all that is below.
const SYSTEM: [&str; 12] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys",
    "/usr",
];

/// What the service cannot see, with all that is below.
const HIDDEN: [&str; 4] = ["/home", "/root", "/tmp", "/var/tmp"];

pub(super) fn check(storage: &Path, state: &Path, service: bool) -> Result<(), Failure> {
    let resolved = resolved(storage).map_err(|error| refused(storage, &error.to_string()))?;
    let is_below = |place: &&str| resolved.starts_with(place);
    if is_shared(&resolved) {
        return Err(refused(storage, "other things are below it too"));
    }
    if let Some(place) = SYSTEM.iter().find(|it| is_below(it)) {
        return Err(refused(storage, &format!("{place} is the system's")));
    }
    if let Some(place) = HIDDEN.iter().find(|it| service && is_below(it)) {
        return Err(refused(storage, &format!("the service does not see {place}")));
    }
    if resolved == state {
        return Err(refused(storage, "it is the state directory"));
    }
    Ok(())
}

fn refused(storage: &Path, reason: &str) -> Failure {
    let message = format!("{} cannot be the host storage path: {reason}", storage.display());
    Failure::new(Code::StoragePathRefused, message)
}

/// The path as it will be: what is there of it already may lead elsewhere.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    for there in path.ancestors() {
        let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
        match fs::canonicalize(there) {
            Ok(there) if rest.components().all(|it| matches!(it, Component::Normal(_))) => {
                return Ok(there.join(rest).components().collect());
            }
            Ok(_) => return Err(io::Error::other("it leads back with '..'")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path.to_owned())
}

/// Instances that are there must be root's, the caller's or the service user's.
pub(super) fn check_instances(storage: &Path, user: Option<Owner>) -> Result<(), Failure> {
    let dir = StorageLayout::of(storage).instances();
    let Ok(found) = dir.symlink_metadata() else { return Ok(()) };
    let own = Owner::of_this_process().uid;
    let uid = found.uid();
    if uid == own || uid == 0 || user.is_some_and(|user| user.uid == uid) {
        return Ok(());
    }
    if is_of_the_package(storage) {
        return Ok(());
    }
    let message = format!("{} belongs to the user {uid}", dir.display());
    let sudo = if is_root() { "" } else { "sudo " };
    let shown = shell_word(&dir.to_string_lossy());
    Err(Failure::new(Code::StorageOfAnother, message).with_fix(format!(
        "Choose another directory with --host-storage-path; if what is there is of no use: '{sudo}chown {own} {shown}'."
    )))
}

/// Whether root finds an empty directory for instances that is the service user's: the package has
/// made it, for a service that there is not.
pub(super) fn is_of_the_package(storage: &Path) -> bool {
    let dir = StorageLayout::of(storage).instances();
    let user = service_user().ok().flatten().filter(|_| is_root() && !LinuxMachine.has_systemd());
    let is_theirs = |found: fs::Metadata| user.is_some_and(|user| user.uid == found.uid());
    dir.symlink_metadata().is_ok_and(is_theirs)
        && fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none())
}
