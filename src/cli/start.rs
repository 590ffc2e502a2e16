use std::{path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    StateDirArgument,
    install::{Layout, ended, runs_as_service, service_failed, start_daemon},
    known_host::{must_be_own, not_installed},
    output::Output,
    own_state_dir, run_to_end, shell_word,
    wait::running,
};
use crate::{
    agent::load_identity,
    config::{StateDir, default_state_dir},
    host::service::systemctl,
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
    let state = arguments.state.state_dir();
    let service = runs_as_service(&state) && is_unit_there();
    if !service {
        must_be_own(&state)?;
    }
    if load_identity(&state)?.is_none() {
        return Err(not_installed(&state));
    }
    if let Some(status) = run_to_end(running(&state))? {
        output.note(&format!("the daemon runs already, as process {}", status.pid));
        return Ok(Exit::Success);
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

fn is_unit_there() -> bool {
    Path::new(Layout::UNIT).exists() || Layout::has_packaged_unit()
}

/// What starts the daemon of an installed host.
pub fn how_to_start(state: &StateDir) -> String {
    let dir = state.path();
    if dir == default_state_dir(true) && is_unit_there() {
        return "Start it with 'systemctl start ece-agent', or with 'ece-agent start'.".into();
    }
    match dir == own_state_dir() {
        true => "Start it with 'ece-agent start'.".into(),
        false => {
            let dir = shell_word(&dir.to_string_lossy());
            format!("Start it with 'ece-agent start --state-dir {dir}'.")
        }
    }
}
