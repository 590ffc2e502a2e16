//! A host that becomes a member when its service starts, with a token that the service was given:
//! an image's first boot. It waits for a coordinator for as long as that takes.

use crate::{
    agent::{
        AgentState, HostStart, JoinStart, KeyWish, Place, Progress, Status, StatusBoard, Step,
        prepare_state_dir, serve_socket,
    },
    config::{InstallOptions, JoinOptions, StateDir},
    daemon::{StateLock, notify},
    host::SharedMachine,
    model::{Code, Failure, SessionId},
    rt::{Clock, Shutdown, ShutdownTrigger, Timestamp, unix_socket},
};

/// Longer than anybody waits.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 24 * 3600);

/// Everything that such a join begins with.
pub struct JoinAtStart {
    pub options: InstallOptions,
    pub join: JoinOptions,
    pub machine: SharedMachine,
    pub clock: Clock,
}

/// Tells log, service manager and whoever asks the daemon what a join waits for.
struct Told {
    board: StatusBoard,
    clock: Clock,
    since: Timestamp,
}

impl Progress for Told {
    fn started(&self, step: Step) {
        notify::say(step.doing());
    }

    fn finished(&self, step: Step, result: &str) {
        tracing::info!(step = step.name(), result, "{}: {result}", step.name());
    }

    fn warning(&self, failure: &Failure) {
        tracing::warn!(code = failure.code(), "{}", failure.message);
    }

    fn waiting(&self, reason: &Failure) {
        let known = self.board.read().problem.is_some_and(|it| it.code == reason.code());
        if !known {
            tracing::warn!(code = reason.code(), "waiting: {}", reason.message);
        }
        notify::waits_to_join(reason, self.since);
        self.board.set_state(AgentState::Joining, Some(reason), self.clock.now());
    }
}

impl JoinAtStart {
    /// Joins, unless `shutdown` comes first; whether the host is a member now.
    pub async fn join(
        self,
        _lock: &StateLock,
        stop: ShutdownTrigger,
        shutdown: &Shutdown,
    ) -> Result<bool, Failure> {
        let state = self.options.state_dir.clone();
        prepare_state_dir(&state)?;
        let since = self.clock.now();
        let session = SessionId(uuid::Uuid::new_v4());
        let board = StatusBoard::new(Status::before_joining(
            self.options.runner_id.clone(),
            session,
            since,
        ));
        // The boot goes on, whatever this waits for.
        notify::ready("joining the cluster");
        let (_joined, joining) = ShutdownTrigger::new();
        let listener = listen(&state)?;
        tokio::spawn(serve_socket(listener, board.clone(), stop, None, joining));
        let told = Told { board, clock: self.clock.clone(), since };
        let start = JoinStart {
            host: HostStart {
                settings: self.options.settings.clone(),
                runner_id: self.options.runner_id.clone(),
                state: &state,
                machine: self.machine,
                progress: &told,
                relaxed: self.options.force,
                as_service: true,
                skip: &self.options.skip,
            },
            options: self.join,
            patience: FOR_EVER,
            place: Place::New,
            key: KeyWish::AsItIs,
        };
        tokio::select! {
            joined = start.join(self.clock.now()) => joined.map(|_| true),
            () = shutdown.wait() => Ok(false),
        }
    }
}

pub(super) fn listen(state: &StateDir) -> Result<tokio::net::UnixListener, Failure> {
    unix_socket::listen(state.path(), state.socket_name()).map_err(|error| {
        let dir = state.path().display();
        Failure::new(Code::StateNotWritable, format!("{dir}: {error}"))
    })
}
