use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    StateDirArgument,
    answering::Watched,
    background::{ended, start_daemon},
    known_host::{must_be_own, not_installed},
    output::Output,
    run_to_end,
    service_layout::{failed_service, is_unit_there, or_in_use, runs_as_service, service_failed},
    wait::running,
};
use crate::{
    agent::load_identity,
    config::StateDir,
    daemon::StateLock,
    host::service::{CommandError, systemctl, unit_state},
    model::{Code, Exit, Failure},
};

/// How long a daemon may take until it answers.
const LONGEST: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct StartArguments {
    #[command(flatten)]
    state: StateDirArgument,
}

pub fn start(arguments: StartArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.answering()?;
    let _watched = Watched::state(&state);
    let service = runs_as_service(&state) && is_unit_there();
    if !service {
        must_be_own(&state)?;
    }
    if load_identity(&state)?.is_none() {
        return Err(not_installed(&state));
    }
    match run_to_end(running(&state)) {
        Ok(None) => {}
        Ok(Some(status)) => {
            output.note(&format!("the daemon runs already, as process {}", status.pid));
            return Ok(Exit::Success);
        }
        Err(failure) if failure.is(Code::DaemonNotTheService) => return Err(failure),
        // A daemon that starts puts its socket into the place of whatever is there.
        Err(_) if service && unit_state() != "active" => {}
        Err(_) if !service && StateLock::is_free(&state) => {}
        Err(failure) => return Err(failure),
    }
    match service {
        true => start_service(&state)?,
        false => run_to_end(start_in_background(&state))?,
    }
    output.note("started");
    Ok(Exit::Success)
}

/// Starts the unit, and waits until it answers here. One that runs already and does not holds
/// another state directory, that which was here when it began.
pub fn start_service(state: &StateDir) -> Result<(), Failure> {
    let _ = systemctl(["reset-failed", "ece-agent"]);
    let how = if unit_state() == "active" { "restart" } else { "start" };
    systemctl([how, "ece-agent"])
        .map_err(|error| or_in_use(state, why_not_started(&error, state)))?;
    run_to_end(until_it_answers(state, || failed_service(state)))
}

/// What the service has logged says more than what systemd says of it.
fn why_not_started(error: &CommandError, state: &StateDir) -> Failure {
    match failed_service(state) {
        Some(failed) => failed.with_fix("Put right what the log says, then repeat the command."),
        None => service_failed(error),
    }
}

async fn until_it_answers(
    state: &StateDir,
    mut gone: impl FnMut() -> Option<Failure>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + LONGEST;
    loop {
        let answer = running(state).await;
        // A socket that an earlier daemon has left says nothing yet.
        if let Ok(Some(_)) = answer {
            return Ok(());
        }
        if let Some(failure) = gone() {
            return Err(failure);
        }
        if Instant::now() >= deadline {
            answer?;
            let message = format!("no daemon answers for {}", state.path().display());
            return Err(Failure::new(Code::DaemonNotStarted, message));
        }
        sleep(PAUSE).await;
    }
}

pub async fn start_in_background(state: &StateDir) -> Result<(), Failure> {
    let mut child = start_daemon(state)?;
    until_it_answers(state, || ended(&mut child, state)).await
}
