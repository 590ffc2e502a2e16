use std::{env, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    CONFIG_FILE, StateDirArgument,
    answering::{end_process, state_answers, state_answers_at_start},
    known_host::{must_be_own, not_installed},
    logging, or_end, signals,
};
use crate::{
    agent::load_identity,
    config::{
        HostSettings, InstallArguments, Membership, Mistake, Purpose, StateDir, default_state_dir,
    },
    daemon::{Daemon, DaemonConfig, JoinAtStart, StateLock},
    host::{
        LinuxMachine,
        process::{leave_session, raise_open_files},
    },
    model::{Code, Exit, Failure},
    rt::{Clock, Shutdown, ShutdownTrigger, daemon_runtime},
};

/// Where systemd puts what the unit's `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const TOKEN_CREDENTIAL: &str = "roles-token";

/// How long a daemon may take to stop: less than the unit lets it.
const LONGEST_STOP: Duration = Duration::from_secs(20);

const ANSWERED_AT_ONCE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub struct RunArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// Leave the terminal that it was started from
    #[arg(long, hide = true)]
    background: bool,
}

pub fn run(arguments: RunArguments) -> Result<Exit, Failure> {
    if arguments.background {
        leave_session();
    }
    let state = arguments.state.state_dir();
    state_answers_at_start(&state)?;
    logging::start_daemon("info", &state);
    run_daemon(async {
        let host_file = host_file(&state)?;
        let token = token_at_start(host_file.as_ref());
        if !state.path().exists() && token.is_none() {
            return Err(not_installed(&state));
        }
        must_be_own(&state)?;
        let waits = |held: &Failure, _| {
            tracing::warn!(code = held.code(), "waiting: {}", held.message);
        };
        let lock = StateLock::take(&state, waits).await?;
        let (stop, shutdown) = stoppable(&state)?;
        if load_identity(&state)?.is_none() {
            let (Some(file), Some(token)) = (&host_file, token) else {
                return Err(not_installed(&state));
            };
            let join = join_at_start(file, token, &state)?;
            if !join.join(&lock, stop.clone(), &shutdown).await? {
                return Ok(Exit::Success);
            }
        }
        let daemon = daemon(state, lock, host_file).start(stop).await?;
        daemon.run(shutdown).await?;
        Ok(Exit::Success)
    })
}

/// The config file of the host that is a service; others have none of their own.
fn host_file(state: &StateDir) -> Result<Option<InstallArguments>, Failure> {
    if state.path() != default_state_dir(true) {
        return Ok(None);
    }
    let file = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref());
    file.map(Some).map_err(|error| Failure::new(Code::ConfigFile, error.to_string()))
}

/// What counts at the next start of a daemon that has been told `settings`.
pub fn settings_at_start(
    settings: &HostSettings,
    state: &StateDir,
) -> Result<HostSettings, Failure> {
    match host_file(state)? {
        Some(file) => settings.overlaid_with(&file).map_err(|it| Mistake::failure(&it)),
        None => Ok(settings.clone()),
    }
}

/// The file with the token that the service was given, if it was given one.
fn token_at_start(file: Option<&InstallArguments>) -> Option<PathBuf> {
    let credential = env::var_os(CREDENTIALS).map(|dir| PathBuf::from(dir).join(TOKEN_CREDENTIAL));
    credential
        .filter(|path| path.exists())
        .or_else(|| file?.roles_token_file.clone().filter(|path| path.exists()))
}

fn join_at_start(
    file: &InstallArguments,
    token: PathBuf,
    state: &StateDir,
) -> Result<JoinAtStart, Failure> {
    let arguments = InstallArguments { roles_token_file: Some(token), ..file.clone() };
    let options = arguments
        .build(state.path().to_owned(), Membership::None)
        .map_err(|mistakes| Mistake::failure(&mistakes))?;
    match options.purpose.clone() {
        Purpose::Join(join) => Ok(JoinAtStart {
            options,
            join,
            machine: Arc::new(LinuxMachine),
            clock: Clock::system(),
        }),
        Purpose::FirstHost(_) | Purpose::Stay(_) => Err(not_installed(state)),
    }
}

/// Runs what is, or goes on as, the daemon.
pub fn run_daemon<T>(work: impl Future<Output = T>) -> T {
    let runtime = or_end(daemon_runtime);
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Starts the daemon in this process; it stops on signals and when it is told to.
pub async fn start(state: StateDir, lock: StateLock) -> Result<(Daemon, Shutdown), Failure> {
    let (stop, shutdown) = stoppable(&state)?;
    Ok((daemon(state, lock, None).start(stop).await?, shutdown))
}

fn stoppable(state: &StateDir) -> Result<(ShutdownTrigger, Shutdown), Failure> {
    raise_open_files();
    let (stop, shutdown) = ShutdownTrigger::new();
    signals::stop_on_signals(stop.clone())
        .map_err(|error| Failure::new(Code::Internal, format!("signals: {error}")))?;
    tokio::spawn(end_when_overdue(shutdown.clone(), state.clone()));
    Ok((stop, shutdown))
}

/// Ends a process that was told to stop and waits for a disk.
async fn end_when_overdue(shutdown: Shutdown, state: StateDir) {
    shutdown.wait().await;
    sleep(LONGEST_STOP).await;
    let seconds = LONGEST_STOP.as_secs();
    let overdue = || {
        let message = format!("the daemon was told to stop, and has not in {seconds} s");
        Failure::new(Code::Internal, message)
    };
    end_process(&state_answers(&state, ANSWERED_AT_ONCE).err().unwrap_or_else(overdue))
}

fn daemon(state: StateDir, lock: StateLock, host_file: Option<InstallArguments>) -> DaemonConfig {
    let (machine, clock) = (Arc::new(LinuxMachine), Clock::system());
    DaemonConfig { state, lock, machine, clock, host_file }
}
