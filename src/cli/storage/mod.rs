//! The host storage path: what may be one, and whose it is.

mod claim;
mod place;

use std::path::Path;

use super::{install::runs_as_service, secrets_file};
use crate::{
    agent::load_identity,
    config::{InstallOptions, Purpose, StateDir},
    host::{process::is_root, service::service_user},
    model::{Code, Failure},
};

pub use claim::{Claim, ClaimState, state as claim_of};

/// Looks whether the host may have its storage path, before anything is made; what to write there
/// once it is its own.
pub fn look(options: &InstallOptions) -> Result<Option<Claim>, Failure> {
    let storage = &options.settings.storage_path;
    let service = !options.foreground && runs_as_service(&options.state_dir);
    let ours = may_have(storage, &options.state_dir, service)?;
    secrets_are_ours(options)?;
    // What is installed already keeps the path that it was installed with.
    let lives_elsewhere = load_identity(&options.state_dir)
        .ok()
        .flatten()
        .is_some_and(|identity| identity.settings.storage_path != *storage);
    Ok(match ours || lives_elsewhere {
        true => None,
        false => Some(Claim::prepare(storage, &options.state_dir)),
    })
}

/// Whether the storage path is the host's already; an error if it cannot be.
pub fn may_have(storage: &Path, state: &StateDir, service: bool) -> Result<bool, Failure> {
    if is_root() {
        place::check(storage, state.path(), service)?;
    }
    match claim::state(storage, state)? {
        ClaimState::Ours(_) => return Ok(true),
        ClaimState::None => {}
        ClaimState::Anothers(owner) => return Err(claim::in_use(storage, &owner)),
    }
    let user = service_user().ok().flatten().filter(|_| service);
    place::check_instances(storage, user)?;
    Ok(false)
}

/// A new cluster is not made where another's secrets are.
fn secrets_are_ours(options: &InstallOptions) -> Result<(), Failure> {
    let file = options.settings.storage_path.join(secrets_file::DIR).join(secrets_file::NAME);
    let is_first = matches!(options.purpose, Purpose::FirstHost(_));
    let has_begun = options.state_dir.coordinator().exists();
    if !is_first || has_begun || file.symlink_metadata().is_err() {
        return Ok(());
    }
    let message = format!("{} has the secrets of another cluster", file.display());
    Err(Failure::new(Code::StorageSecretsOfAnother, message))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
