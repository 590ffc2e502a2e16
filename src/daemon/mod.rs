//! Puts both sides together: the agent, and the roles that it is told to run, of which a coordinator
//! is one. Owns their start, their order, and their end.

mod coordinator_role;
mod datastore;
mod first_host;
mod join_at_start;
mod local_coordinator;
pub mod notify;

use std::time::Duration;

use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    agent::{
        Dial, HostKeyState, Session, Status, StatusBoard, Supervisor, allocator_service, dialler,
        load_desired, load_identity, load_key, proxy_service, serve_socket,
    },
    client::HttpCoordinator,
    config::{InstallArguments, Mistake, StateDir},
    host::SharedMachine,
    model::{Code, Failure, Role, SessionId},
    rt::{Clock, FileLock, Holder, LockHeld, Shutdown, ShutdownTrigger, lock_holders},
    tls::PrivateKey,
};

use coordinator_role::{CoordinatorHandle, CoordinatorRole};
use datastore::{Datastore, Director};
pub use first_host::{FirstHostStart, SetUp, register_own_key};
pub use join_at_start::JoinAtStart;
use local_coordinator::CoordinatorStart;
pub use local_coordinator::cluster_must_be_there;

/// The right to work on a state directory; held by `install` while it writes, and by the daemon.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "held, not read")] FileLock);

/// How long whoever works on the state directory has to be gone. The kernel takes a moment to let go
/// of what a process that was killed has held.
const LONGEST_GOING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

impl StateLock {
    /// Takes the lock, or says with `on_wait` that it is waited for, for a little.
    pub async fn take(
        state: &StateDir,
        on_wait: impl FnOnce(&Failure, Duration),
    ) -> Result<Self, Failure> {
        if let Some(lock) = Self::try_take(state)? {
            return Ok(lock);
        }
        on_wait(&in_use(state), LONGEST_GOING);
        let deadline = Instant::now() + LONGEST_GOING;
        loop {
            sleep(PAUSE).await;
            match Self::try_take(state)? {
                Some(lock) => return Ok(lock),
                None if Instant::now() < deadline => {}
                None => return Err(in_use(state)),
            }
        }
    }

    /// `None` if another has it.
    fn try_take(state: &StateDir) -> Result<Option<Self>, Failure> {
        match FileLock::take(&state.lock()) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err(LockHeld::ByAnother) => Ok(None),
            Err(LockHeld::Io(error)) => Err(lock_unusable(state, error)),
        }
    }

    /// Whether nobody works on the state directory, as far as that can be known.
    pub fn is_free(state: &StateDir) -> bool {
        matches!(FileLock::is_held(&state.lock()), Ok(false))
    }

    /// Fails while somebody works on the state directory, in which nothing is made for that.
    pub fn must_be_free(state: &StateDir) -> Result<(), Failure> {
        match FileLock::is_held(&state.lock()) {
            Ok(false) => Ok(()),
            Ok(true) => Err(in_use(state)),
            Err(error) => Err(lock_unusable(state, error)),
        }
    }
}

/// Who works on the state directory, and what ends that.
fn in_use(state: &StateDir) -> Failure {
    /// Of those who share a lock, more are not worth naming.
    const NAMED: usize = 3;
    let dir = state.path().display();
    let holders = lock_holders(&state.lock());
    if holders.is_empty() {
        return Failure::new(Code::StateInUse, format!("another process works on {dir}"));
    }
    let named = |word: fn(&Holder) -> String, between| {
        holders.iter().take(NAMED).map(word).collect::<Vec<_>>().join(between)
    };
    let (who, processes) =
        (named(ToString::to_string, ", "), named(|it| it.process.to_string(), " "));
    let fix = format!(
        "Wait for it to end, stop it with 'ece-agent stop' or, where that does not end it, with 'kill {processes}'; then repeat the command. Or use another --state-dir."
    );
    let message = format!("another process works on {dir}: {who}");
    Failure::new(Code::StateInUse, message).with_fix(fix)
}

fn lock_unusable(state: &StateDir, error: std::io::Error) -> Failure {
    Failure::new(Code::StateNotWritable, format!("{}: {error}", state.lock().display()))
}

/// The key of a host that is installed.
pub fn key_must_be_there(state: &StateDir) -> Result<PrivateKey, Failure> {
    match load_key(state)? {
        HostKeyState::There(key) => Ok(key),
        HostKeyState::Missing => {
            let message = format!("{} is missing", state.key().display());
            Err(Failure::new(Code::IdentityUnreadable, message))
        }
    }
}

/// What the daemon is made from.
pub struct DaemonConfig {
    pub state: StateDir,
    pub lock: StateLock,
    pub machine: SharedMachine,
    pub clock: Clock,
    /// The config file of a host that has one: its settings count from this start on.
    pub host_file: Option<InstallArguments>,
}

/// A daemon that runs.
pub struct Daemon {
    board: StatusBoard,
    session: JoinHandle<()>,
    coordinator: CoordinatorHandle,
    stop_session: ShutdownTrigger,
    _lock: StateLock,
}

impl DaemonConfig {
    /// Starts what this host is meant to run. `stop` lets whoever asks on the socket end the daemon.
    pub async fn start(self, stop: ShutdownTrigger) -> Result<Daemon, Failure> {
        let dir = self.state.path().display();
        let mut identity = load_identity(&self.state)?.ok_or_else(|| {
            Failure::new(Code::InstallNotDone, format!("no host is installed in {dir}"))
        })?;
        if let Some(file) = &self.host_file {
            let mistakes = |mistakes: Vec<Mistake>| Mistake::failure(&mistakes);
            identity.settings = identity.settings.overlaid_with(file).map_err(mistakes)?;
            if let Some(name) = &file.runner_id
                && name.trim() != identity.runner_id.as_str()
            {
                let (source, own) = (file.from_file.source("--runner-id"), &identity.runner_id);
                let code = Code::InstallRunnerIdDiffers.name();
                tracing::warn!(
                    code,
                    "{source} says {name}, and a host keeps its name: this is {own}"
                );
            }
        }
        let key = key_must_be_there(&self.state)?;
        let desired = load_desired(&self.state, &identity.joined_roles).await;
        let start = CoordinatorStart {
            state: self.state.clone(),
            identity: identity.clone(),
            machine: self.machine.clone(),
            clock: self.clock.clone(),
        };
        let at_start = desired.known_roles().contains(Role::Coordinator);
        let datastore = Datastore::of(&self.state, &identity);
        let (coordinator_role, mut coordinator) =
            CoordinatorRole::new(start, datastore.clone(), at_start);
        let mut supervisor = Supervisor::new([
            allocator_service(&self.state, &identity.settings.storage_path),
            Box::new(coordinator_role),
            Box::new(Director(datastore)),
            proxy_service(),
        ]);
        supervisor.apply(&desired);
        coordinator.begun().await?;

        let dialler = dialler(&identity, &key)?;
        let verifier = dialler.verifier().clone();
        let dial: Dial =
            Box::new(move |address| Box::new(HttpCoordinator::new(address, dialler.clone())));
        let id = SessionId(Uuid::new_v4());
        let board = StatusBoard::new(Status::at_start(&identity, id, self.clock.now()));
        let (stop_session, session_shutdown) = ShutdownTrigger::new();
        let listener = join_at_start::listen(&self.state)?;
        let local = Some(coordinator.administration());
        let served = session_shutdown.clone();
        tokio::spawn(serve_socket(listener, board.clone(), stop, local, served));
        tokio::spawn(notify::tell_service_manager(board.clone(), session_shutdown.clone()));
        let session = Session {
            id,
            dial,
            identity,
            state: self.state,
            verifier,
            machine: self.machine,
            supervisor,
            desired,
            board: board.clone(),
            clock: self.clock,
        };
        let session = tokio::spawn(session.run(session_shutdown));
        Ok(Daemon { board, session, coordinator, stop_session, _lock: self.lock })
    }
}

impl Daemon {
    pub fn board(&self) -> &StatusBoard {
        &self.board
    }

    /// Runs until `shutdown`, or until a part of it fails.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Failure> {
        tokio::select! {
            () = shutdown.wait() => {}
            ended = &mut self.session => return Err(why_it_ended(ended)),
            failure = self.coordinator.over() => return Err(failure),
        }
        tracing::info!("stopping");
        self.stop_session.fire();
        self.session.await.map_err(|error| why_it_ended(Err(error)))
    }
}

fn why_it_ended(ended: Result<(), JoinError>) -> Failure {
    match ended {
        Ok(()) => Failure::new(Code::Internal, "the session ended by itself"),
        Err(error) => Failure::new(Code::Internal, format!("the session's task died: {error}")),
    }
}
