//! What an installation has made in the host storage path, which others may use too.

use std::{fs, path::Path};

use super::account::Account;
use crate::{
    agent::MARKER,
    cli::{
        secrets_file,
        storage::{Claim, ClaimState},
    },
    host::{open_dir::OpenDir, shared::is_shared},
    model::Failure,
};

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
        let entries = fs::read_dir(self.path).map_or(0, Iterator::count);
        if entries > 0 {
            account.left(self.path, &format!("{entries} entries that are not install's to remove"));
        }
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
        if let Ok(Some(instances)) = storage.dir("instances")
            && let Err(error) = instances.remove_file(MARKER)
        {
            account.note(self.shown(&format!("instances/{MARKER}")), Err(error));
        }
        self.remove_dir(storage, "instances", "instances", account);
        if self.first_host {
            self.remove_file(storage, secrets_file::DIR, secrets_file::NAME, account);
            self.remove_dir(storage, secrets_file::DIR, secrets_file::DIR, account);
            match storage.dir("logs") {
                Ok(Some(logs)) => self.remove_logs(&logs, account),
                Ok(None) => {}
                Err(error) => account.note(self.shown("logs"), Err(error)),
            }
            self.remove_dir(storage, "logs", "logs", account);
        }
        if let ClaimState::Ours(_) = &self.claim
            && let Err(error) = Claim::remove(storage)
        {
            account.note("the note of whose the host storage path is", Err(error));
        }
    }

    fn remove_logs(&self, logs: &OpenDir, account: &mut Account) {
        const PLACE: &str = "bootstrap-logs";
        match logs.dir(PLACE) {
            Ok(Some(dir)) => {
                for name in ["bootstrap.log", "bootstrap.log.1"] {
                    let shown = self.shown(&format!("logs/bootstrap-logs/{name}"));
                    account.note(shown, dir.remove_file(name));
                }
            }
            Ok(None) => {}
            Err(error) => account.note(self.shown("logs/bootstrap-logs"), Err(error)),
        }
        self.remove_dir(logs, PLACE, "logs/bootstrap-logs", account);
    }

    fn remove_file(&self, dir: &OpenDir, place: &str, name: &str, account: &mut Account) {
        match dir.dir(place) {
            Ok(Some(found)) => {
                account.note(self.shown(&format!("{place}/{name}")), found.remove_file(name));
            }
            Ok(None) => {}
            Err(error) => account.note(self.shown(place), Err(error)),
        }
    }

    fn remove_dir(&self, dir: &OpenDir, name: &str, place: &str, account: &mut Account) {
        // What is no directory was told of before.
        if self.has_made(place) && matches!(dir.dir(name), Ok(Some(_))) {
            account.note(self.shown(place), dir.remove_empty_dir(name));
        }
    }

    fn shown(&self, place: &str) -> String {
        self.path.join(place).display().to_string()
    }
}
