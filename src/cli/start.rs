use std::{path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    StateDirArgument,
    answering::Watched,
    install::{Layout, ended, runs_as_service, service_failed, start_daemon},
    known_host::{must_be_own, not_installed},
    output::Output,
    run_to_end, shell_word, state_dir_flag,
    wait::running,
};
use crate::{
    agent::load_identity,
    config::{StateDir, default_state_dir},
    daemon::StateLock,
    host::service::{systemctl, unit_state},
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
        Err(_) if !service && StateLock::must_be_free(&state).is_ok() => {}
        Err(failure) => return Err(failure),
    }
    match service {
        true => {
            let _ = systemctl(["reset-failed", "ece-agent"]);
            systemctl(["start", "ece-agent"]).map_err(|error| service_failed(&error))?;
        }
        false => run_to_end(start_in_background(&state))?,
    }
    output.note("started");
    Ok(Exit::Success)
}

async fn start_in_background(state: &StateDir) -> Result<(), Failure> {
    let mut child = start_daemon(state)?;
    let deadline = Instant::now() + LONGEST;
    loop {
        // A socket that an earlier daemon has left says nothing yet.
        if let Ok(Some(_)) = running(state).await {
            return Ok(());
        }
        if let Some(failure) = ended(&mut child, state) {
            return Err(failure);
        }
        if Instant::now() >= deadline {
            let message = format!("no daemon answers for {}", state.path().display());
            return Err(Failure::new(Code::DaemonNotStarted, message));
        }
        sleep(PAUSE).await;
    }
}

pub fn is_unit_there() -> bool {
    Path::new(Layout::UNIT).exists() || Layout::has_packaged_unit()
}

fn is_of_a_service(state: &StateDir) -> bool {
    state.path() == default_state_dir(true) && is_unit_there()
}

/// What starts the daemon of an installed host.
pub fn how_to_start(state: &StateDir) -> String {
    match is_of_a_service(state) {
        true => "Start it with 'systemctl start ece-agent', or with 'ece-agent start'.".into(),
        false => format!("Start it with '{}'.", start_command(state)),
    }
}

/// What makes a daemon answer where something else does.
pub fn how_to_be_answered(state: &StateDir) -> String {
    if is_of_a_service(state) {
        return "Run 'systemctl restart ece-agent', which makes the socket anew, then repeat the command.".into();
    }
    let start = start_command(state);
    match StateLock::must_be_free(state) {
        Ok(()) => format!("No daemon runs there: '{start}' starts one, with a socket of its own."),
        Err(_) => {
            let lock = shell_word(&state.lock().to_string_lossy());
            format!("End the daemon, whose process 'fuser {lock}' names, then run '{start}'.")
        }
    }
}

fn start_command(state: &StateDir) -> String {
    format!("ece-agent start{}", state_dir_flag(state))
}
