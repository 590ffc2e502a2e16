//! Where the files of a cluster are, whose they are, and who works on them.

use std::{path::PathBuf, time::Duration};

use crate::{
    cli::{
        CONFIG_FILE,
        answering::{LONGEST, storage_answers},
        known_host::{known_host, must_be_own},
        run_to_end,
        service_layout::{is_unit_there, runs_as_service, service_failed},
        start::{start_in_background, start_service},
        stop::stop_daemon,
        wait::running,
    },
    config::{InstallArguments, StateDir},
    daemon::StateLock,
    host::{
        process::end_processes_of,
        service::{LONGEST_STOP, invoking_user, service_user, stop_service, unit_state},
        tree::Owner,
    },
    model::{Code, Failure},
};

/// How long processes that are killed may take to end.
const LONGEST_END: Duration = Duration::from_secs(10);

pub(super) struct Place {
    pub state: StateDir,
    pub storage: PathBuf,
    pub is_service: bool,
    /// Whose the datastore is.
    pub owner: Owner,
    /// Whose the secrets are.
    pub caller: Owner,
}

impl Place {
    pub fn of(state: StateDir, storage: Option<PathBuf>) -> Result<Self, Failure> {
        let is_service = runs_as_service(&state);
        if !is_service {
            must_be_own(&state)?;
        }
        let storage = match storage.or(known_host(&state)?.storage_path()?) {
            Some(storage) => storage,
            None => {
                let file = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref());
                let file =
                    file.map_err(|error| Failure::new(Code::ConfigFile, error.to_string()))?;
                file.storage_path()
            }
        };
        storage_answers(&storage, LONGEST)?;
        let own = Owner::of_this_process();
        // Before there is a service user what is there is root's.
        let user = service_user().ok().flatten().filter(|_| is_service);
        let caller = if is_service { invoking_user() } else { own };
        Ok(Self { state, storage, is_service, owner: user.unwrap_or(own), caller })
    }

    /// Stops the daemon, and whatever else the service user runs; whether there was a daemon.
    pub fn stop(&self) -> Result<bool, Failure> {
        if !self.is_service {
            let there = run_to_end(stop_daemon(&self.state))?;
            return StateLock::must_be_free(&self.state).map(|()| there);
        }
        let ran = is_unit_there() && !["inactive", "failed", ""].contains(&unit_state().as_str());
        if ran {
            stop_service(LONGEST_STOP).map_err(|error| service_failed(&error))?;
        }
        let left = match self.owner {
            Owner::ROOT => 0,
            user => end_processes_of(user.uid, LONGEST_END),
        };
        match left {
            0 => Ok(ran),
            count => {
                let message = format!("processes of the user ece-agent do not end: {count}");
                Err(Failure::new(Code::ServiceFailed, message))
            }
        }
    }

    pub fn start(&self) -> Result<(), Failure> {
        match self.is_service {
            true => start_service(&self.state),
            false => run_to_end(start_in_background(&self.state)),
        }
    }

    /// Something that answers in the service's place is not stopped with it.
    pub fn must_be_stoppable(&self) -> Result<(), Failure> {
        match run_to_end(running(&self.state)) {
            Err(failure) if failure.is(Code::DaemonNotTheService) => Err(failure),
            _ => Ok(()),
        }
    }
}
