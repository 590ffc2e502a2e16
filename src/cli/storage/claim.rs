//! A file in the host storage path that says whose it is, and what was made there.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::place::is_of_the_package;
use crate::{
    config::StateDir,
    host::{open_dir::OpenDir, tree::Owner},
    model::{Code, Failure, StorageLayout, printable::escaped},
    preflight::unusable,
    rt::files,
};

const NAME: &str = StorageLayout::CLAIM;
const SCHEMA: u32 = 1;
const MAX_FILE: u64 = 64 << 10;

const INSTANCES: &str = StorageLayout::INSTANCES;

/// Where an installation makes directories in the host storage path, which itself is the first.
fn places() -> [String; 5] {
    let names = [INSTANCES, StorageLayout::LOGS, StorageLayout::SECRETS];
    let [instances, logs, secrets] = names.map(str::to_owned);
    [String::new(), instances, logs, bootstrap_logs(), secrets]
}

/// Where the logs of setting up a first host are, below the host storage path.
pub fn bootstrap_logs() -> String {
    format!("{}/{}", StorageLayout::LOGS, StorageLayout::BOOTSTRAP_LOGS)
}

#[derive(Debug, Serialize, Deserialize)]
struct ClaimFile {
    schema: u32,
    state_dir: PathBuf,
    /// Directories that were not there before; `..` is the one that the host storage path is in.
    made: Vec<String>,
}

/// The right of one installation to a host storage path.
#[derive(Debug)]
pub struct Claim {
    storage: PathBuf,
    file: ClaimFile,
}

pub enum ClaimState {
    Ours(Claim),
    None,
    /// Whose it is, in words.
    Anothers(String),
}

pub fn in_use(storage: &Path, owner: &str) -> Failure {
    let message = format!("{} is in use by {owner}", storage.display());
    Failure::new(Code::StorageInUse, message)
}

/// Whose the host storage path is. A claim of a state directory that is gone does not count.
pub fn state(storage: &Path, state: &StateDir) -> Result<ClaimState, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(Code::StateNotWritable, format!("{}: {error}", storage.display()))
    };
    let dir = match OpenDir::open(storage) {
        Ok(Some(dir)) => dir,
        // Whether it can be used at all is looked at elsewhere.
        Ok(None) => return Ok(ClaimState::None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(ClaimState::None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let content = match dir.file(NAME) {
        Ok(None) => return Ok(ClaimState::None),
        Ok(Some(file)) => file.read(MAX_FILE).map_err(unreadable)?,
        Err(error) => {
            let path = storage.join(NAME);
            return Ok(ClaimState::Anothers(format!(
                "another host, whose note {} cannot be read: {error}",
                path.display()
            )));
        }
    };
    let Ok(file) = serde_json::from_slice::<ClaimFile>(&content) else {
        let path = storage.join(NAME);
        let owner = format!("another host, whose note {} is damaged", path.display());
        return Ok(ClaimState::Anothers(owner));
    };
    if file.state_dir == state.path() {
        return Ok(ClaimState::Ours(Claim { storage: storage.to_owned(), file }));
    }
    match file.state_dir.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ClaimState::None),
        _ => {
            let other = escaped(&file.state_dir.to_string_lossy()).to_string();
            Ok(ClaimState::Anothers(format!("the host of the state directory {other}")))
        }
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// A directory so many steps above the host storage path.
fn above(up: usize) -> String {
    vec![".."; up].join("/")
}

impl Claim {
    /// Notes what is not there yet.
    pub(super) fn prepare(storage: &Path, state: &StateDir) -> Self {
        let of_package = is_of_the_package(storage);
        let missing = places()
            .into_iter()
            .filter(|place| !exists(&storage.join(place)) || (of_package && place == INSTANCES));
        let parents = storage.ancestors().skip(1).take_while(|dir| !exists(dir));
        let parents = parents.zip(1..).map(|(_, up)| above(up));
        let made = missing.chain(parents).collect();
        let file = ClaimFile { schema: SCHEMA, state_dir: state.path().to_owned(), made };
        Self { storage: storage.to_owned(), file }
    }

    /// Writes it into the host storage path, which is made if it is not there.
    pub fn write(&self) -> Result<(), Failure> {
        let content = serde_json::to_vec_pretty(&self.file).expect("plain data");
        let written = files::create_private_dir(&self.storage).and_then(|()| {
            let dir = OpenDir::open(&self.storage)?.ok_or(io::ErrorKind::NotFound)?;
            if is_of_the_package(&self.storage)
                && let Some(instances) = dir.dir(INSTANCES)?
            {
                instances.give(Owner::of_this_process(), 0o700)?;
            }
            dir.replace_file(NAME, &content, Owner::of_this_process())
        });
        written.map_err(|error| unusable(&self.storage, &error))
    }

    /// Whether a directory in the host storage path, or itself, was made for this installation.
    pub fn made(&self, place: &str) -> bool {
        self.file.made.iter().any(|made| made == place)
    }

    /// How many directories on the way to the host storage path were made for it, from the last.
    pub fn parents_made(&self) -> usize {
        (1..).take_while(|up| self.made(&above(*up))).count()
    }

    /// Gives the host storage path up.
    pub fn remove(storage: &OpenDir) -> io::Result<bool> {
        storage.remove_file(NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_one_state_directory_as_long_as_that_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| StateDir::new(dir.path().join(name));
        let (one, other) = (at("one"), at("other"));
        std::fs::create_dir(one.path()).expect("made");
        let storage = dir.path().join("storage");
        std::fs::create_dir_all(storage.join("logs")).expect("made");
        assert!(matches!(state(&storage, &one).expect("looked"), ClaimState::None));
        Claim::prepare(&storage, &one).write().expect("written");
        let ClaimState::Ours(claim) = state(&storage, &one).expect("looked") else {
            panic!("not ours")
        };
        assert!(claim.made("instances") && !claim.made("") && !claim.made("logs"));
        let ClaimState::Anothers(owner) = state(&storage, &other).expect("looked") else {
            panic!("not refused")
        };
        assert!(owner.ends_with("/one"), "{owner}");
        let below = storage.join("a/b/c");
        assert_eq!(Claim::prepare(&below, &one).parents_made(), 2);
        assert_eq!(Claim::prepare(&storage.join("a"), &one).parents_made(), 0);
        std::fs::remove_dir(one.path()).expect("removed");
        assert!(matches!(state(&storage, &other).expect("looked"), ClaimState::None));
    }
}
