use std::{io, path::Path};

use serde_json::json;
use zeroize::Zeroizing;

use super::{COORDINATOR, Place, SECRETS_FILE, copy_file, failed, unusable};
use crate::{
    agent::load_identity,
    cli::{
        known_host::{CLUSTER_FILE, noted_by_root},
        output::Output,
        state_dir_flag,
        storage::{ClaimState, claim_of, in_use},
    },
    coordinator::Restored,
    host::{
        open_dir::OpenDir,
        tree::{Owner, make_dir_if_missing, remove_whatever},
    },
    model::{Code, CoordinatorLayout, Exit, Failure, StorageLayout},
    rt::{Clock, Timestamp, files},
};

/// Where it is put together, in the state directory.
const NEW: &str = ".coordinator.restored";

const MAX_SECRETS: u64 = 1 << 20;

/// A backup, open.
pub(super) struct Backup {
    coordinator: OpenDir,
    pub secrets: Option<Zeroizing<Vec<u8>>>,
}

pub(super) fn restore(place: &Place, directory: &Path, output: Output) -> Result<Exit, Failure> {
    let backup = Backup::open(place, directory)?;
    may_be_restored(place)?;
    place.must_be_stoppable()?;
    place.stop()?;
    backup.put_back(place, directory)?;
    if let Some(secrets) = &backup.secrets {
        put_secrets_back(place, secrets).map_err(failed(&place.storage))?;
        // 'install' writes it anew, from these secrets.
        if place.is_service {
            files::remove(CLUSTER_FILE.as_ref()).map_err(failed(CLUSTER_FILE.as_ref()))?;
        }
    }
    tell(place, directory, backup.secrets.is_some(), output);
    Ok(Exit::Success)
}

impl Backup {
    pub fn open(place: &Place, directory: &Path) -> Result<Self, Failure> {
        let unusable = |reason: &str| unusable(directory, reason);
        let no_dir = |error: io::Error| unusable(&error.to_string());
        let dir = OpenDir::open(directory).map_err(no_dir)?;
        let dir = dir.ok_or_else(|| unusable("it is not there"))?;
        let coordinator = dir.dir(COORDINATOR).map_err(no_dir)?;
        let coordinator =
            coordinator.ok_or_else(|| unusable(&format!("{COORDINATOR}/ is missing")))?;
        let backup = Self { coordinator, secrets: secrets_in(&dir, place).map_err(no_dir)? };
        for name in CoordinatorLayout::BACKED_UP {
            match backup.coordinator.file(name).map_err(no_dir)? {
                Some(file) => may_be_trusted(name, file.owner.uid, place).map_err(no_dir)?,
                None if !CoordinatorLayout::NEEDED.contains(&name) => {}
                None => return Err(unusable(&format!("{COORDINATOR}/{name} is missing"))),
            }
        }
        Ok(backup)
    }

    /// Until all of it is there it is nobody's but this process's; then it takes the place of what
    /// there was.
    pub fn put_back(&self, place: &Place, directory: &Path) -> Result<(), Failure> {
        let state = place.state.path();
        let put_back = || {
            make_dir_if_missing(state, place.owner, 0o700)?;
            let dir = OpenDir::open(state)?.ok_or(io::ErrorKind::NotFound)?;
            remove_whatever(&state.join(NEW))?;
            let new = dir.new_dir(NEW)?;
            for name in CoordinatorLayout::BACKED_UP {
                copy_file(&self.coordinator, name, &trusted(place), &new, place.owner)?;
            }
            new.replace_file(CoordinatorLayout::RESTORED, &self.mark()?, place.owner)?;
            remove_whatever(&place.state.coordinator())?;
            dir.rename(NEW, COORDINATOR)?;
            new.give(place.owner, 0o700)
        };
        put_back().map_err(|error| {
            let message = format!("from {} to {}: {error}", directory.display(), state.display());
            Failure::new(Code::StateNotWritable, message)
        })
    }
}

impl Backup {
    /// What the coordinator tells of at its next start: it lets in again whoever was shut out since.
    fn mark(&self) -> io::Result<Vec<u8>> {
        let store =
            self.coordinator.file(CoordinatorLayout::STORE)?.ok_or(io::ErrorKind::NotFound)?;
        let mark = Restored::new(Clock::system().now(), Timestamp::from(store.modified()?));
        serde_json::to_vec(&mark).map_err(Into::into)
    }
}

/// Who may have written a backup: not the service user, whose datastore it was.
fn trusted(place: &Place) -> [u32; 2] {
    [Owner::of_this_process().uid, place.caller.uid]
}

fn may_be_trusted(name: &str, uid: u32, place: &Place) -> io::Result<()> {
    match trusted(place).contains(&uid) {
        true => Ok(()),
        false => Err(io::Error::other(format!("{name} belongs to the user {uid}"))),
    }
}

fn secrets_in(dir: &OpenDir, place: &Place) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = dir.file(SECRETS_FILE)? else { return Ok(None) };
    may_be_trusted(SECRETS_FILE, file.owner.uid, place)?;
    file.read(MAX_SECRETS).map(Zeroizing::new).map(Some)
}

/// A member of another cluster is not made a first host, nor is somebody else's storage path used.
fn may_be_restored(place: &Place) -> Result<(), Failure> {
    let state = &place.state;
    let noted = noted_by_root(state)?.map(|noted| (noted.first_host, noted.cluster_id));
    let said = load_identity(state).ok().flatten();
    let said = said.map(|identity| (identity.first_host, identity.cluster_id));
    if let Some((false, cluster)) = noted.or(said) {
        let message = format!("this host has joined the cluster {cluster}");
        return Err(Failure::new(Code::BackupNotFirstHost, message));
    }
    match claim_of(&place.storage, state)? {
        ClaimState::Anothers(owner) => Err(in_use(&place.storage, &owner)),
        ClaimState::Ours(_) | ClaimState::None => Ok(()),
    }
}

pub(super) fn put_secrets_back(place: &Place, content: &[u8]) -> io::Result<()> {
    make_dir_if_missing(&place.storage, place.caller, 0o755)?;
    let storage = OpenDir::open(&place.storage)?.ok_or(io::ErrorKind::NotFound)?;
    let dir = storage.dir_or_make(StorageLayout::SECRETS, place.caller, 0o700)?;
    dir.give(place.caller, 0o700)?;
    dir.replace_file(SECRETS_FILE, content, place.caller)
}

fn tell(place: &Place, directory: &Path, has_secrets: bool, output: Output) {
    let coordinator = place.state.coordinator();
    let secrets = StorageLayout::of(&place.storage).secrets_file();
    let next = format!("ece-agent install{}", state_dir_flag(&place.state));
    if output.is_json() {
        return output.json(&json!({
            "directory": directory,
            "coordinator": coordinator,
            "secrets_file": has_secrets.then_some(secrets),
            "next": next,
        }));
    }
    output.note(&format!("restored {}", coordinator.display()));
    match has_secrets {
        true => output.note(&format!("restored {}", secrets.display())),
        false => output.note("warning: the backup has no secrets file"),
    }
    output.note(&format!("the daemon is stopped: '{next}' goes on, with the flags of settings that are not the usual ones"));
}
