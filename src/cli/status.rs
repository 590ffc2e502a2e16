use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{
    StateDirArgument,
    answering::{Watched, state_answers},
    known_host::not_installed,
    output::Output,
    run::settings_at_start,
    run_to_end,
    service_layout::{failed_service, how_to_start, runs_as_service, service_given_up},
    state_dir_flag,
    wait::{running, until_connected},
};
use crate::{
    agent::{AgentState, Status, load_identity},
    config::StateDir,
    model::{Code, Exit, Failure},
};

/// What a daemon that is asked at once may take to answer.
const ONE_LOOK: Duration = Duration::from_secs(1);

/// A look at the service costs a process.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub struct StatusArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Wait until the host is connected
    #[arg(long)]
    wait: bool,
    /// How many seconds to wait at most
    #[arg(long, default_value_t = 60, value_name = "SECONDS", requires = "wait")]
    timeout: u32,
}

pub fn status(arguments: StatusArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.state_dir();
    let longest = Duration::from_secs(arguments.timeout.into());
    state_answers(&state, longest)?;
    let _watched = Watched::state(&state);
    run_to_end(async {
        if arguments.wait {
            let deadline = Instant::now() + longest.max(ONE_LOOK);
            let mut told = None;
            let tell = |reason: &Failure| {
                let is_new = told.as_deref() != Some(reason.code());
                if is_new && !output.is_json() {
                    told = Some(reason.code().to_owned());
                    let left = deadline.saturating_duration_since(Instant::now());
                    output.waiting(reason, Some(left.as_secs()));
                }
            };
            let waited = until_connected(&state, deadline, no_more(&state), tell).await;
            show(output, &state, running(&state).await?)?;
            return waited.map(|_| Exit::Success);
        }
        let status = running(&state).await?;
        let refused = status.as_ref().is_some_and(|status| status.state == AgentState::Refused);
        show(output, &state, status)?;
        Ok(if refused { Exit::Refused } else { Exit::Success })
    })
}

/// Why nobody will answer any more: nothing starts a service that has failed again.
fn no_more(state: &StateDir) -> impl FnMut() -> Option<Failure> {
    let mut next_look = Instant::now();
    move || {
        let now = Instant::now();
        if now < next_look {
            return None;
        }
        next_look = now + BETWEEN_LOOKS;
        service_given_up(state)
    }
}

fn show(output: Output, state: &StateDir, status: Option<Status>) -> Result<(), Failure> {
    match status {
        Some(status) if output.is_json() => output.json(&status),
        Some(status) => output.lines(in_words(&status)),
        None => return Err(not_running(output, state)?),
    }
    Ok(())
}

/// What can be said of a host whose daemon does not run.
fn not_running(output: Output, state: &StateDir) -> Result<Failure, Failure> {
    let dir = state.path().display();
    let Some(identity) = load_identity(state)? else {
        return Ok(failed_service(state)
            .map_or_else(|| not_installed(state), |failed| not_a_member_yet(state, &failed)));
    };
    if output.is_json() {
        output.json(&json!({
            "runner_id": identity.runner_id,
            "cluster_id": identity.cluster_id,
            "state": "not_running",
            "connected": false,
        }));
    }
    let message = format!(
        "the host {} is installed in {dir}, and its daemon does not run",
        identity.runner_id
    );
    // What keeps it from starting is told in full, before what the log says of it.
    if let Err(why) = settings_at_start(&identity.settings, state) {
        let fix = format!("Correct the file. {}", how_to_start(state));
        let message = format!("{message}: {}", why.message);
        return Ok(Failure::in_lines(Code::DaemonNotRunning, &message).with_fix(fix));
    }
    Ok(match failed_service(state) {
        Some(failed) => {
            Failure::in_lines(Code::DaemonNotRunning, &format!("{message}: {}", failed.message))
                .with_fix(format!("{REASON_IN_LOG} {}", how_to_start(state)))
        }
        None => {
            let logs = format!("ece-agent logs{}", state_dir_flag(state));
            let fix = match state.log().exists() || runs_as_service(state) {
                true => format!("{} '{logs}' says why it ended.", how_to_start(state)),
                // Of one in the foreground its terminal says it.
                false => how_to_start(state),
            };
            Failure::new(Code::DaemonNotRunning, message).with_fix(fix)
        }
    })
}

const REASON_IN_LOG: &str = "The reason is in 'journalctl -u ece-agent'; put it right first.";

/// The service was to join when it started, as an image does at its first boot.
fn not_a_member_yet(state: &StateDir, failed: &Failure) -> Failure {
    let dir = state.path().display();
    let message = format!("no host is installed in {dir} yet: {}", failed.message);
    Failure::in_lines(Code::DaemonNotRunning, &message).with_fix(format!(
        "{REASON_IN_LOG} Then 'systemctl restart ece-agent' joins with the token of its first boot, \
         if it still has one; else join with 'ece-agent install' and a token."
    ))
}

fn in_words(status: &Status) -> Vec<String> {
    let state = match status.state {
        AgentState::Joining => "waiting to join",
        AgentState::Connecting => "connecting",
        AgentState::Connected => "connected",
        AgentState::Refused => "refused by the cluster",
        AgentState::Stopping => "stopping",
    };
    let mut lines = vec![
        match status.host_ip {
            Some(host_ip) => format!("host         {} ({host_ip})", status.name()),
            None => format!("host         {}", status.name()),
        },
        format!("state        {state} since {}", status.since),
        format!("cluster      {}", status.cluster_id.as_deref().unwrap_or("none yet")),
    ];
    if let Some(coordinator) = &status.coordinator {
        lines.push(format!("coordinator  {coordinator}"));
    }
    if status.roles.is_empty() && status.connected {
        let name = status.name();
        lines.push(format!(
            "roles        none; to give it some, on the first host: ece-agent host roles {name} \
             allocator"
        ));
    }
    if status.maintenance {
        lines.push("maintenance  on: nothing new is placed here".into());
    }
    for (role, health) in &status.roles {
        lines.push(match &health.code {
            _ if health.healthy => format!("role         {role}: healthy, {}", health.detail),
            Some(code) => format!("role         {role}: NOT HEALTHY, {} [{code}]", health.detail),
            None => format!("role         {role}: NOT HEALTHY, {}", health.detail),
        });
        if let Some(fix) = &health.fix {
            lines.push(format!("fix          {fix}"));
        }
    }
    if let Some(problem) = &status.problem {
        lines.push(format!("problem      {} [{}]", problem.message, problem.code));
        if !problem.fix.is_empty() {
            lines.push(format!("fix          {}", problem.fix));
        }
    }
    for warning in &status.warnings {
        lines.push(format!("warning      {} [{}]", warning.message, warning.code));
    }
    lines.push(format!("daemon       process {}, version {}", status.pid, status.version));
    lines
}
