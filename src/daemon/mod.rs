//! Puts both sides together: on the first host store, coordinator and agent, elsewhere the
//! agent alone. Owns their start, their order, and their end.

mod first_host;
mod join_at_start;
mod local_coordinator;
pub mod notify;

use tokio::task::{JoinError, JoinHandle};
use uuid::Uuid;

use crate::{
    agent::{
        Dial, HostKeyState, Session, Status, StatusBoard, Supervisor, allocator_service, dialler,
        load_identity, load_key, proxy_service, serve_socket,
    },
    client::HttpCoordinator,
    config::{InstallArguments, Mistake, StateDir},
    host::SharedMachine,
    model::{Code, Failure, SessionId},
    rt::{Clock, FileLock, LockHeld, Shutdown, ShutdownTrigger},
    tls::PrivateKey,
};

pub use first_host::{FirstHostStart, SetUp};
pub use join_at_start::JoinAtStart;
use local_coordinator::LocalCoordinator;
pub use local_coordinator::cluster_must_be_there;

/// The right to work on a state directory; held by `install` while it writes, and by the daemon.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "held, not read")] FileLock);

impl StateLock {
    pub fn take(state: &StateDir) -> Result<Self, Failure> {
        FileLock::take(&state.lock()).map(Self).map_err(|error| match error {
            LockHeld::ByAnother => in_use(state),
            LockHeld::Io(error) => lock_unusable(state, error),
        })
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

fn in_use(state: &StateDir) -> Failure {
    let dir = state.path().display();
    Failure::new(Code::StateInUse, format!("another ece-agent works on {dir}"))
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
    coordinator: Option<LocalCoordinator>,
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
        }
        let key = key_must_be_there(&self.state)?;
        let coordinator = match identity.first_host {
            true => Some(
                LocalCoordinator::start(&self.state, &identity, &*self.machine, &self.clock)
                    .await?,
            ),
            false => None,
        };

        let dialler = dialler(&identity, &key)?;
        let verifier = dialler.verifier().clone();
        let dial: Dial =
            Box::new(move |address| Box::new(HttpCoordinator::new(address, dialler.clone())));
        let mut services =
            vec![allocator_service(&self.state, &identity.settings.storage_path), proxy_service()];
        if coordinator.is_some() {
            services.extend(local_coordinator::role_services());
        }
        let id = SessionId(Uuid::new_v4());
        let board = StatusBoard::new(Status::at_start(&identity, id, self.clock.now()));
        let (stop_session, session_shutdown) = ShutdownTrigger::new();
        let listener = join_at_start::listen(&self.state)?;
        let local = coordinator.as_ref().map(LocalCoordinator::administration);
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
            supervisor: Supervisor::new(services),
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

    /// Runs until `shutdown`, or until a part of it fails. The session ends first, so that the
    /// coordinator hears its goodbye.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Failure> {
        tokio::select! {
            () = shutdown.wait() => {}
            ended = &mut self.session => return Err(why_it_ended(ended)),
            failure = failed(&mut self.coordinator) => return Err(failure),
        }
        tracing::info!("stopping");
        self.stop_session.fire();
        let ended = self.session.await;
        if let Some(coordinator) = self.coordinator {
            coordinator.stop().await?;
        }
        ended.map_err(|error| why_it_ended(Err(error)))
    }
}

async fn failed(coordinator: &mut Option<LocalCoordinator>) -> Failure {
    match coordinator {
        Some(coordinator) => coordinator.failed().await,
        None => std::future::pending().await,
    }
}

fn why_it_ended(ended: Result<(), JoinError>) -> Failure {
    match ended {
        Ok(()) => Failure::new(Code::Internal, "the session ended by itself"),
        Err(error) => Failure::new(Code::Internal, format!("the session's task died: {error}")),
    }
}
