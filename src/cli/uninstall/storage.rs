//! What an installation has made in the host storage path, which others may use too.

use std::{fs, path::Path};

use super::account::Account;
use crate::{
    cli::storage::{Claim, ClaimState, bootstrap_logs},
    host::{open_dir::OpenDir, shared::is_shared},
    model::{Failure, StorageLayout, printable::escaped},
};

/// What makes directories when a package is installed.
const PACKAGED: &str = "/usr/lib/tmpfiles.d/ece-agent.conf";

/// How many entries of a directory are named.
const MOST_NAMED: usize = 5;

/// The host storage path of an installation that goes.
pub(super) struct Storage<'a> {
    pub path: &'a Path,
    pub claim: ClaimState,
    /// What is there is not what the host had.
    pub missing: Option<Failure>,
    pub first_host: bool,
}

impl Storage<'_> {
    pub(super) fn remove(&self, account: &mut Account) {
        if let ClaimState::Anothers(owner) = &self.claim {
            return account.left(self.path, &format!("it is in use by {owner}"));
        }
        if self.missing.is_some() {
            return account.left(self.path, "it is not what this host had there");
        }
        match OpenDir::open(self.path) {
            Ok(Some(dir)) => self.remove_below(&dir, account),
            Ok(None) => return,
            Err(error) => return account.note(self.path.display().to_string(), Err(error)),
        }
        // A mount point belongs to whoever has mounted it.
        if self.has_made("") && fs::remove_dir(self.path).is_ok() {
            account.note(self.path.display().to_string(), Ok(true));
            return self.remove_parents(account);
        }
        if self.is_of_the_package() {
            return account
                .left(self.path, "the package has made it, and removes it when it is purged");
        }
        if let Some(names) = names_in(self.path) {
            account.left(self.path, &format!("{names}: not install's to remove"));
        }
    }

    /// Whether there is only what a package makes for instances, and none.
    fn is_of_the_package(&self) -> bool {
        let instances = StorageLayout::of(self.path).instances();
        names_in(self.path).as_deref() == Some(StorageLayout::INSTANCES)
            && names_in(&instances).is_none()
            && self.path == Path::new(StorageLayout::DEFAULT_PATH)
            && Path::new(PACKAGED).exists()
    }

    /// Those that were made on the way to it, as long as nothing else is in them.
    fn remove_parents(&self, account: &mut Account) {
        let ClaimState::Ours(claim) = &self.claim else { return };
        let made = self.path.ancestors().skip(1).take(claim.parents_made());
        for dir in made.take_while(|dir| !is_shared(dir)) {
            if fs::remove_dir(dir).is_err() {
                return;
            }
            account.note(dir.display().to_string(), Ok(true));
        }
    }

    /// Without a note of what was there before, what is empty counts as made by it.
    fn has_made(&self, place: &str) -> bool {
        match &self.claim {
            ClaimState::Ours(claim) => claim.made(place),
            ClaimState::None => true,
            ClaimState::Anothers(_) => false,
        }
    }

    fn remove_below(&self, storage: &OpenDir, account: &mut Account) {
        const INSTANCES: &str = StorageLayout::INSTANCES;
        const SECRETS: &str = StorageLayout::SECRETS;
        const LOGS: &str = StorageLayout::LOGS;
        if let Ok(Some(instances)) = storage.dir(INSTANCES)
            && let Err(error) = instances.remove_file(StorageLayout::MARKER)
        {
            account.note(told(&StorageLayout::of(self.path).marker()), Err(error));
        }
        self.remove_dir(storage, INSTANCES, INSTANCES, account);
        if self.first_host {
            self.remove_file(storage, SECRETS, StorageLayout::SECRETS_FILE, account);
            self.remove_dir(storage, SECRETS, SECRETS, account);
            match storage.dir(LOGS) {
                Ok(Some(logs)) => self.remove_logs(&logs, account),
                Ok(None) => {}
                Err(error) => account.note(self.below(LOGS), Err(error)),
            }
            self.remove_dir(storage, LOGS, LOGS, account);
        }
        if let ClaimState::Ours(_) = &self.claim
            && let Err(error) = Claim::remove(storage)
        {
            account.note("the note of whose the host storage path is", Err(error));
        }
    }

    fn remove_logs(&self, logs: &OpenDir, account: &mut Account) {
        let place = StorageLayout::of(self.path).bootstrap_logs();
        match logs.dir(StorageLayout::BOOTSTRAP_LOGS) {
            Ok(Some(dir)) => {
                for name in [StorageLayout::BOOTSTRAP_LOG, StorageLayout::EARLIER_BOOTSTRAP_LOG] {
                    account.note(told(&place.join(name)), dir.remove_file(name));
                }
            }
            Ok(None) => {}
            Err(error) => account.note(told(&place), Err(error)),
        }
        self.remove_dir(logs, StorageLayout::BOOTSTRAP_LOGS, &bootstrap_logs(), account);
    }

    fn remove_file(&self, dir: &OpenDir, place: &str, name: &str, account: &mut Account) {
        match dir.dir(place) {
            Ok(Some(found)) => {
                account.note(self.below(&format!("{place}/{name}")), found.remove_file(name));
            }
            Ok(None) => {}
            Err(error) => account.note(self.below(place), Err(error)),
        }
    }

    fn remove_dir(&self, dir: &OpenDir, name: &str, place: &str, account: &mut Account) {
        // What is no directory was told of before.
        if self.has_made(place) && matches!(dir.dir(name), Ok(Some(_))) {
            account.note(self.below(place), dir.remove_empty_dir(name));
        }
    }

    fn below(&self, place: &str) -> String {
        told(&self.path.join(place))
    }
}

/// What is in a directory, in words; nothing if it is empty.
fn names_in(dir: &Path) -> Option<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let shown = escaped(&names.join(", ")).into_owned();
    match more {
        0 => (!shown.is_empty()).then_some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

fn told(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_named_as_far_as_it_can_be_read() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(names_in(dir.path()), None);
        assert_eq!(names_in(&dir.path().join("missing")), None);
        let make = |name: &str| fs::write(dir.path().join(name), "").expect("written");
        make("logs");
        assert_eq!(names_in(dir.path()).as_deref(), Some("logs"));
        for name in ["e", "d", "c\u{1b}", "b"] {
            make(name);
        }
        let told = names_in(dir.path()).expect("names");
        assert!(told.starts_with("b, c") && told.ends_with(", d, e, logs"), "{told}");
        assert!(!told.contains('\u{1b}'), "{told}");
        make("z");
        let told = names_in(dir.path()).expect("names");
        assert!(told.ends_with(", d, e, logs and 1 more"), "{told}");
    }
}
