//! Where the files of a cluster are, whose they are, and who works on them.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        answering::{LONGEST, storage_answers},
        known_host::{known_host, must_be_own, noted_by_root, storage_in_host_file},
        run_to_end,
        service_layout::{is_of_a_service, is_unit_there, runs_as_service, service_failed},
        start::{start_in_background, start_service_and_wait},
        stop::stop_daemon,
        wait::running,
    },
    config::StateDir,
    daemon::StateLock,
    host::{
        open_dir::OpenDir,
        process::{end_processes_of_service, is_root},
        service::{LONGEST_STOP, invoking_user, service_user, stop_service, unit_state},
        tree::{Owner, make_dir_if_missing},
    },
    model::{Code, Failure},
};

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
    pub fn to_back_up(state: StateDir) -> Result<Self, Failure> {
        Self::of(state, storage_of)
    }

    /// `storage` goes before what is known of the host, which may be what has to be restored.
    pub fn to_restore(state: StateDir, storage: Option<PathBuf>) -> Result<Self, Failure> {
        Self::of(state, |state| storage.map_or_else(|| storage_as_far_as_known(state), Ok))
    }

    fn of(
        state: StateDir,
        storage: impl FnOnce(&StateDir) -> Result<PathBuf, Failure>,
    ) -> Result<Self, Failure> {
        let is_service = runs_as_service(&state);
        if !is_service {
            may_be_stopped(&state)?;
            must_be_own(&state)?;
        }
        let storage = storage(&state)?;
        storage_answers(&storage, LONGEST)?;
        let own = Owner::of_this_process();
        // Before there is a service user what is there is root's.
        let user = service_user().ok().flatten().filter(|_| is_service);
        let caller = if is_service { invoking_user() } else { own };
        Ok(Self { state, storage, is_service, owner: user.unwrap_or(own), caller })
    }

    /// Stops the daemon; whether there was one.
    pub fn stop(&self) -> Result<bool, Failure> {
        if !self.is_service {
            return run_to_end(stop_daemon(&self.state));
        }
        let ran = is_unit_there() && !["inactive", "failed", ""].contains(&unit_state().as_str());
        if ran {
            stop_service(LONGEST_STOP).map_err(|error| service_failed(&error))?;
        }
        Ok(ran)
    }

    /// Ends whatever else the service user runs, and keeps daemons from starting while this is held.
    pub fn hold(&self) -> Result<StateLock, Failure> {
        if self.is_service {
            end_processes_of_service(self.owner)
                .map_err(|still_there| Failure::new(Code::ServiceFailed, still_there))?;
        }
        self.make_lock_file().map_err(failed(&self.state.lock()))?;
        run_to_end(StateLock::take(&self.state, |_, _| {}))
    }

    /// One that root makes is not for root alone to lock.
    fn make_lock_file(&self) -> io::Result<()> {
        make_dir_if_missing(self.state.path(), self.owner, 0o700)?;
        let dir = OpenDir::open(self.state.path())?.ok_or(io::ErrorKind::NotFound)?;
        match dir.create_file(StateDir::LOCK, self.owner) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    pub fn start(&self) -> Result<(), Failure> {
        match self.is_service {
            true => start_service_and_wait(&self.state),
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

/// A service that its own user stopped would go on as a daemon beside the unit.
fn may_be_stopped(state: &StateDir) -> Result<(), Failure> {
    match is_of_a_service(state) && !is_root() {
        true => {
            let message = format!("what is in {} is the service's", state.path().display());
            Err(Failure::new(Code::PrivilegesMissing, message)
                .with_fix("Repeat the command with sudo, or as root."))
        }
        false => Ok(()),
    }
}

fn storage_of(state: &StateDir) -> Result<PathBuf, Failure> {
    known_host(state)?.storage_path()?.map_or_else(storage_in_host_file, Ok)
}

/// The same, where an identity that cannot be read counts as none.
fn storage_as_far_as_known(state: &StateDir) -> Result<PathBuf, Failure> {
    match storage_of(state) {
        Err(failure) if failure.is(Code::IdentityUnreadable) => {
            let noted = noted_by_root(state)?.map(|noted| noted.storage_path);
            noted.map_or_else(storage_in_host_file, Ok)
        }
        storage => storage,
    }
}

pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::new(Code::StateNotWritable, format!("{}: {error}", path.display()))
}
