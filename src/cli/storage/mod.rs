//! The host storage path: what may be one, and whose it is.

mod claim;
mod place;

use std::{fs, io, path::Path};

use super::service_layout::runs_as_service;
use crate::{
    agent::{StorageMarker, load_identity},
    config::{InstallOptions, Purpose, StateDir},
    host::{process::is_root, service::service_user},
    model::{Code, Failure, StorageLayout},
};

pub use claim::{Claim, ClaimState, bootstrap_logs, in_use, state as claim_of};

/// What there was before anything was made. It is read once: what the service user changes after
/// that does not change what root does.
pub struct Found {
    /// What to write into the host storage path once it is the host's own.
    pub claim: Option<Claim>,
    /// There was nothing in the state directory.
    pub is_fresh: bool,
}

/// Looks whether the host may have its storage path, before anything is made.
pub fn look(options: &InstallOptions) -> Result<Found, Failure> {
    let has = Content::of(&options.state_dir);
    let storage = &options.settings.storage_path;
    let service = !options.foreground && runs_as_service(&options.state_dir);
    let ours = may_have(storage, &options.state_dir, service)?;
    secrets_are_ours(options, has)?;
    // What is installed already keeps the path that it was installed with.
    let lives_elsewhere = load_identity(&options.state_dir)
        .ok()
        .flatten()
        .is_some_and(|identity| identity.settings.storage_path != *storage);
    let claim = match ours || lives_elsewhere {
        true => None,
        false => Some(Claim::prepare(storage, &options.state_dir)),
    };
    Ok(Found { claim, is_fresh: has == Content::Nothing })
}

/// Whether the storage path is the host's already; an error if it cannot be.
pub fn may_have(storage: &Path, state: &StateDir, service: bool) -> Result<bool, Failure> {
    if is_root() {
        place::check(storage, state.path(), service)?;
    }
    let claim = claim::state(storage, state)?;
    StorageMarker::of(state, storage).must_be_there()?;
    match claim {
        ClaimState::Ours(_) => return Ok(true),
        ClaimState::None => {}
        ClaimState::Anothers(owner) => return Err(claim::in_use(storage, &owner)),
    }
    let user = service_user().ok().flatten().filter(|_| service);
    place::check_instances(storage, user)?;
    Ok(false)
}

/// What is in a state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Nothing,
    Something,
    /// A coordinator too, or what is to become one.
    Coordinator,
}

impl Content {
    fn of(state: &StateDir) -> Self {
        let entries = match fs::read_dir(state.path()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Nothing,
            Err(_) => return Self::Something,
        };
        let coordinator = state.coordinator();
        entries.fold(Self::Nothing, |found, entry| match entry {
            Ok(entry) if entry.path() == coordinator => Self::Coordinator,
            _ if found == Self::Coordinator => found,
            _ => Self::Something,
        })
    }
}

/// A new cluster is not made where another's secrets are.
fn secrets_are_ours(options: &InstallOptions, has: Content) -> Result<(), Failure> {
    let storage = &options.settings.storage_path;
    let file = options.settings.storage().secrets_file();
    let is_first = matches!(options.purpose, Purpose::FirstHost(_));
    match is_first && has != Content::Coordinator && file.symlink_metadata().is_ok() {
        true => Err(secrets_of_another(storage)),
        false => Ok(()),
    }
}

pub fn secrets_of_another(storage: &Path) -> Failure {
    let file = StorageLayout::of(storage).secrets_file();
    let message = format!("{} has the secrets of another cluster", file.display());
    Failure::new(Code::StorageSecretsOfAnother, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_is_fresh_if_nothing_at_all_is_in_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = StateDir::new(dir.path().join("state"));
        assert_eq!(Content::of(&state), Content::Nothing);
        fs::create_dir(state.path()).expect("made");
        assert_eq!(Content::of(&state), Content::Nothing);
        fs::write(state.lock(), "").expect("written");
        assert_eq!(Content::of(&state), Content::Something);
        fs::create_dir(state.coordinator()).expect("made");
        assert_eq!(Content::of(&state), Content::Coordinator);
        // What cannot be looked into is not taken for an empty one.
        assert_eq!(Content::of(&StateDir::new(state.lock())), Content::Something);
    }
}
