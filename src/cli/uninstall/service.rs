//! What `install` has made outside of the host's own directories, and whoever works there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::account::{Account, still_there};
use crate::{
    cli::{
        CONFIG_FILE,
        known_host::{CLUSTER_FILE, other_owner},
        service_layout::ServiceLayout,
        shell_word,
    },
    config::StateDir,
    host::{
        giving::take_for_root,
        process::end_processes_of,
        service::{LONGEST_STOP, remove_service_user, service_user, stop_service, systemctl},
        tree::{Owner, make_dir},
    },
    rt::files,
};

const LONGEST_END: Duration = Duration::from_secs(10);

const USER: &str = "user ece-agent";

pub(super) struct Service {
    state: PathBuf,
    /// The service user, and whoever else the state directory was given to.
    users: Vec<Owner>,
}

impl Service {
    pub(super) fn of(state: &StateDir) -> Self {
        let service = service_user().ok().flatten();
        let mut users: Vec<Owner> = service.into_iter().collect();
        // Only the service's group goes with its user.
        let gid = service.unwrap_or(Owner::ROOT).gid;
        users.extend(other_owner(state).map(|uid| Owner { uid, gid }));
        users.dedup();
        Self { state: state.path().to_owned(), users }
    }

    /// Stops the unit, and whatever else the service user runs; whether that is all gone.
    pub(super) fn stop(&self, account: &mut Account) -> bool {
        // A unit that was never there is as good as stopped.
        let _ = systemctl(["--quiet", "disable", "ece-agent"]);
        if let Err(error) = stop_service(LONGEST_STOP) {
            account.problem(format!("the service was not stopped: {error}"));
        }
        self.end_processes(account)
    }

    fn end_processes(&self, account: &mut Account) -> bool {
        let service = service_user().ok().flatten();
        let Some(user) = service else { return true };
        match end_processes_of(user.uid, LONGEST_END) {
            0 => true,
            count => {
                let which = match count {
                    1 => "1 process of the user ece-agent does".into(),
                    more => format!("{more} processes of the user ece-agent do"),
                };
                account.problem(format!("{which} not end"));
                false
            }
        }
    }

    /// Removes what `install` has noted as made by it, and keeps the note of what is still there.
    /// What a package has made is the package's.
    pub(super) fn remove(&self, storage: Option<&Path>, account: &mut Account) {
        let made = fs::read_to_string(ServiceLayout::MADE).unwrap_or_default();
        let mut kept = Vec::new();
        let has_program = made.lines().any(|what| what == ServiceLayout::BINARY);
        for what in made.lines().filter(|what| *what != ServiceLayout::BINARY) {
            let before = account.problems();
            match what {
                USER => self.remove_user(storage, account),
                // It says where files of the user are left.
                CLUSTER_FILE if kept.contains(&USER) => {
                    kept.push(what);
                    continue;
                }
                ServiceLayout::UNIT
                | ServiceLayout::DROP_IN
                | ServiceLayout::PLAN_KEY
                | CONFIG_FILE
                | CLUSTER_FILE => account.file(Path::new(what)),
                _ => account.problem(format!("{what} is not something that install makes")),
            }
            if account.problems() > before {
                kept.push(what);
            }
        }
        let config = Path::new(CONFIG_FILE);
        if !made.lines().any(|what| what == CONFIG_FILE) && config.exists() {
            account.left(config, "install has not made it");
        }
        let _has_other_drop_ins = fs::remove_dir(ServiceLayout::DROP_IN_DIR);
        let _ = systemctl(["daemon-reload"]);
        if !kept.is_empty() {
            if has_program {
                kept.push(ServiceLayout::BINARY);
                account.left(
                    ServiceLayout::BINARY.as_ref(),
                    "for 'ece-agent uninstall' to be repeated with",
                );
            }
            return self.keep_note_of(&kept, account);
        }
        account.file(ServiceLayout::MADE.as_ref());
        let _has_other_files = fs::remove_dir(ServiceLayout::CONFIG_DIR);
        // Whatever was interrupted before can be repeated, as long as there is a program for it.
        if has_program {
            let before = account.problems();
            account.file(ServiceLayout::BINARY.as_ref());
            if account.problems() > before {
                self.keep_note_of(&[ServiceLayout::BINARY], account);
            }
        }
    }

    fn keep_note_of(&self, kept: &[&str], account: &mut Account) {
        let note: String = kept.iter().map(|what| format!("{what}\n")).collect();
        let written = make_dir(ServiceLayout::CONFIG_DIR.as_ref(), Owner::ROOT, 0o755)
            .and_then(|()| files::write_private(ServiceLayout::MADE.as_ref(), note.as_bytes()));
        if let Err(error) = written {
            account.problem(format!("{}: {error}", ServiceLayout::MADE));
        }
        account
            .left(ServiceLayout::MADE.as_ref(), "for 'ece-agent uninstall', which can be repeated");
    }

    /// The number of a user who is gone is given to the next one who is made: nothing may be left
    /// that would be theirs.
    fn remove_user(&self, storage: Option<&Path>, account: &mut Account) {
        if !self.end_processes(account) {
            return account.problem("the user ece-agent stays, as do processes of it".into());
        }
        let places = [Some(self.state.as_path()), storage].into_iter().flatten();
        let places = still_there(places.map(Path::to_owned));
        for user in &self.users {
            let stay = "the user ece-agent stays, as do files of it";
            match take_for_root(&places, *user) {
                Ok(0) => {}
                Ok(left) => {
                    let shown = places.iter().map(|it| shell_word(&it.to_string_lossy()));
                    let shown = shown.collect::<Vec<_>>().join(" ");
                    return account.problem(format!(
                        "{stay} that have another name elsewhere, {left} by name: 'find {shown} \
                         -uid {} -links +1' names them; remove them and repeat the command",
                        user.uid
                    ));
                }
                Err(error) => return account.problem(format!("{stay}: {error}")),
            }
        }
        let is_there = matches!(service_user(), Ok(Some(_)));
        let removed = match is_there {
            true => remove_service_user().map(|()| true).map_err(io::Error::other),
            false => Ok(false),
        };
        account.note("the user ece-agent", removed);
    }
}
