use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    StateDirArgument,
    answering::Watched,
    daemon_socket::connect,
    known_host::not_installed,
    output::Output,
    run_to_end,
    service_layout::{is_unit_there, runs_as_service, service_failed},
    wait::not_answered,
};
use crate::{
    agent::{DaemonError, load_identity},
    config::StateDir,
    daemon::StateLock,
    host::service::{LONGEST_STOP, stop_service, unit_state},
    model::{Exit, Failure},
};

const LONGEST: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct StopArguments {
    #[command(flatten)]
    state: StateDirArgument,
}

pub fn stop(arguments: StopArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.answering()?;
    let _watched = Watched::state(&state);
    // Nobody but the service manager is asked to stop what it runs.
    let is_service = runs_as_service(&state) && is_unit_there();
    let unit_runs = is_service && !["inactive", "failed", ""].contains(&unit_state().as_str());
    if unit_runs {
        stop_service(LONGEST_STOP).map_err(|error| service_failed(&error))?;
    }
    if unit_runs || run_to_end(stop_daemon(&state))? {
        output.note("stopped");
        return Ok(Exit::Success);
    }
    if load_identity(&state)?.is_none() {
        return Err(not_installed(&state));
    }
    output.note(&format!("no daemon is running for {}", state.path().display()));
    Ok(Exit::Success)
}

/// Stops the daemon and waits until it is gone; whether there was one.
pub async fn stop_daemon(state: &StateDir) -> Result<bool, Failure> {
    let stopped = match connect(state).await {
        Ok(client) => client.stop().await,
        Err(error) => Err(error),
    };
    match stopped {
        Ok(_) => {}
        Err(DaemonError::NotRunning(_)) => return Ok(false),
        // What is in the socket's place is not what a daemon has put there, if there is none.
        Err(error) => {
            return match StateLock::is_free(state) && !error.is_refusal() {
                true => Ok(false),
                false => Err(not_answered(error, state)),
            };
        }
    }
    // The lock is the last thing that a daemon gives up.
    let deadline = Instant::now() + LONGEST;
    loop {
        if StateLock::is_free(state) {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return StateLock::must_be_free(state).map(|()| true);
        }
        sleep(PAUSE).await;
    }
}
