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
    config::StateDir,
    coordinator::Restored,
    host::{
        open_dir::OpenDir,
        tree::{Owner, make_dir_if_missing, remove_whatever},
    },
    model::{Code, CoordinatorLayout, Exit, Failure, StorageLayout},
    rt::{Clock, Timestamp, files},
};

/// Where it is put together, in the state directory.
const NEW: &str = StateDir::RESTORING;

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
    let ran = place.stop()?;
    let restored = place.hold().and_then(|_held| backup.put_all_back(place, directory));
    restored.map_err(|failure| match ran {
        true => failure.adding("the daemon is stopped"),
        false => failure,
    })?;
    tell(place, directory, backup.secrets.is_some(), output);
    Ok(Exit::Success)
}

impl Backup {
    fn put_all_back(&self, place: &Place, directory: &Path) -> Result<(), Failure> {
        self.put_back(place, directory)?;
        let Some(secrets) = &self.secrets else { return Ok(()) };
        put_secrets_back(place, secrets).map_err(failed(&place.storage))?;
        match place.is_service {
            // 'install' writes it anew, from these secrets.
            true => files::remove(CLUSTER_FILE.as_ref()).map_err(failed(CLUSTER_FILE.as_ref())),
            false => Ok(()),
        }
    }

    pub fn open(place: &Place, directory: &Path) -> Result<Self, Failure> {
        let unusable = |reason: &str| unusable(directory, reason);
        let no_dir = |error: io::Error| unusable(&error.to_string());
        let dir = OpenDir::open(directory).map_err(no_dir)?;
        let dir = dir.ok_or_else(|| unusable("it is not there"))?;
        dir_may_be_trusted("it", &dir, place).map_err(no_dir)?;
        let coordinator = dir.dir(COORDINATOR).map_err(no_dir)?;
        let coordinator =
            coordinator.ok_or_else(|| unusable(&format!("{COORDINATOR}/ is missing")))?;
        dir_may_be_trusted(COORDINATOR, &coordinator, place).map_err(no_dir)?;
        let backup = Self { coordinator, secrets: secrets_in(&dir, place).map_err(no_dir)? };
        for name in CoordinatorLayout::BACKED_UP {
            match backup.coordinator.file(name).map_err(no_dir)? {
                Some(file) => may_be_trusted(name, file.owner, file.mode, place).map_err(no_dir)?,
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
            remove_whatever(&place.state.restoring())?;
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
            // The keys in it are not for whoever comes by; the first error is the one that is told.
            let _ = remove_whatever(&place.state.restoring());
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

fn may_be_trusted(name: &str, owner: Owner, mode: u32, place: &Place) -> io::Result<()> {
    let uid = owner.uid;
    if !trusted(place).contains(&uid) {
        return Err(io::Error::other(format!("{name} belongs to the user {uid}")));
    }
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(io::Error::other(format!("{name} can be written by others"))),
    }
}

fn dir_may_be_trusted(name: &str, dir: &OpenDir, place: &Place) -> io::Result<()> {
    may_be_trusted(name, dir.owner()?, dir.mode()?, place)
}

fn secrets_in(dir: &OpenDir, place: &Place) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = dir.file(SECRETS_FILE)? else { return Ok(None) };
    may_be_trusted(SECRETS_FILE, file.owner, file.mode, place)?;
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
