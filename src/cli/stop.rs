use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{StateDirArgument, output::Output, run_to_end};
use crate::{
    agent::{StatusClient, StatusError},
    config::StateDir,
    daemon::StateLock,
    model::{Code, Exit, Failure},
};

const LONGEST: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct StopArguments {
    #[command(flatten)]
    state: StateDirArgument,
}

pub fn stop(arguments: StopArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.state_dir();
    let stopped = run_to_end(stop_daemon(&state))?;
    output.note(if stopped { "stopped" } else { "no daemon is running" });
    Ok(Exit::Success)
}

/// Stops the daemon and waits until it is gone; whether there was one.
pub async fn stop_daemon(state: &StateDir) -> Result<bool, Failure> {
    let stopped = match StatusClient::connect(state).await {
        Ok(client) => client.stop().await,
        Err(error) => Err(error),
    };
    match stopped {
        Ok(_) => {}
        Err(StatusError::NotRunning(_)) => return Ok(false),
        Err(error @ StatusError::Io(_)) => {
            return Err(Failure::new(Code::DaemonNotRunning, error.to_string()));
        }
    }
    // The lock is the last thing that a daemon gives up.
    let deadline = Instant::now() + LONGEST;
    loop {
        match StateLock::must_be_free(state) {
            Ok(()) => return Ok(true),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => sleep(PAUSE).await,
        }
    }
}
