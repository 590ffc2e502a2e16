use std::sync::Arc;

use super::{StateDirArgument, logging, signals};
use crate::{
    config::StateDir,
    daemon::{Daemon, DaemonConfig, StateLock},
    host::{
        LinuxMachine,
        process::{leave_session, raise_open_files},
    },
    model::{Code, Exit, Failure},
    rt::{Clock, Shutdown, ShutdownTrigger},
};

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
    logging::start("info");
    let state = arguments.state.state_dir();
    daemon_runtime().block_on(async {
        if !state.path().exists() {
            let message = format!("no host is installed in {}", state.path().display());
            return Err(Failure::new(Code::InstallNotDone, message));
        }
        let lock = StateLock::take(&state)?;
        let (daemon, shutdown) = start(state, lock).await?;
        daemon.run(shutdown).await?;
        Ok(Exit::Success)
    })
}

/// The runtime of a process that goes on as the daemon.
pub fn daemon_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives a process its threads")
}

/// Starts the daemon in this process; it stops on signals and when it is told to.
pub async fn start(state: StateDir, lock: StateLock) -> Result<(Daemon, Shutdown), Failure> {
    raise_open_files();
    let (stop, shutdown) = ShutdownTrigger::new();
    signals::stop_on_signals(stop.clone())
        .map_err(|error| Failure::new(Code::Internal, format!("signals: {error}")))?;
    let config =
        DaemonConfig { state, lock, machine: Arc::new(LinuxMachine), clock: Clock::system() };
    Ok((config.start(stop).await?, shutdown))
}
