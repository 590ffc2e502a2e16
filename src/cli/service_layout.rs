//! A host that is a service of the system: whether it is one, and what it has where.

use std::{path::Path, time::Duration};

use tokio::time::Instant;

use super::{own_state_dir, shell_word, state_dir_flag};
use crate::{
    config::{StateDir, default_state_dir},
    daemon::StateLock,
    host::{
        LinuxMachine, Machine,
        service::{CommandError, unit_has_failed, unit_log, unit_process, unit_state},
    },
    model::{Code, Failure},
};

/// Where a host that is a service has what.
pub struct ServiceLayout;

impl ServiceLayout {
    pub const BINARY: &str = "/usr/bin/ece-agent";
    pub const CONFIG_DIR: &str = "/etc/ece-agent";
    pub const UNIT: &str = "/etc/systemd/system/ece-agent.service";
    pub const DROP_IN_DIR: &str = "/etc/systemd/system/ece-agent.service.d";
    pub const DROP_IN: &str = "/etc/systemd/system/ece-agent.service.d/50-storage.conf";
    /// What `install` has made outside of the state directory, a line each.
    pub const MADE: &str = "/etc/ece-agent/made-by-install";
    /// What the plan of a cluster is sealed with, while the cluster is being made.
    pub const PLAN_KEY: &str = "/etc/ece-agent/plan.key";
    const PACKAGED_UNITS: [&str; 2] =
        ["/usr/lib/systemd/system/ece-agent.service", "/lib/systemd/system/ece-agent.service"];

    pub fn has_packaged_unit() -> bool {
        Self::PACKAGED_UNITS.iter().any(|unit| Path::new(unit).exists())
    }
}

/// Whether the host of this state directory is, or will be, a service of the system.
pub fn runs_as_service(state: &StateDir) -> bool {
    let is_own = state.path() == own_state_dir();
    is_own && LinuxMachine.is_root() && LinuxMachine.has_systemd()
}

pub fn service_failed(error: &CommandError) -> Failure {
    Failure::in_lines(Code::ServiceFailed, &error.to_string())
}

/// Where somebody else works on the state directory while the service does not run, that is why it
/// did not start; the service itself may not see who they are.
pub fn or_in_use(state: &StateDir, failure: Failure) -> Failure {
    let held = match unit_process() {
        None => StateLock::must_be_free(state).err(),
        Some(_) => None,
    };
    held.filter(|held| held.is(Code::StateInUse)).unwrap_or(failure)
}

pub fn is_unit_there() -> bool {
    Path::new(ServiceLayout::UNIT).exists() || ServiceLayout::has_packaged_unit()
}

pub fn is_of_a_service(state: &StateDir) -> bool {
    state.path() == default_state_dir(true) && is_unit_there()
}

/// Looks at once, and then about once a second: a look at the service costs a process.
pub fn now_and_then(mut look: impl FnMut() -> Option<Failure>) -> impl FnMut() -> Option<Failure> {
    const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
    let mut next_look = Instant::now();
    move || {
        let now = Instant::now();
        if now < next_look {
            return None;
        }
        next_look = now + BETWEEN_LOOKS;
        look()
    }
}

/// Where the service of this state directory has failed, and perhaps is to start again: that, and the
/// end of its log for whom may read it.
pub fn failed_service(state: &StateDir) -> Option<Failure> {
    (is_of_a_service(state) && unit_has_failed()).then(service_has_failed)
}

/// The same where nothing starts it again.
pub fn service_given_up(state: &StateDir) -> Option<Failure> {
    (is_of_a_service(state) && unit_state() == "failed").then(service_has_failed)
}

/// How much of the unit's log a failure quotes.
const QUOTED_LINES: usize = 5;

/// The end of the unit's log, below a line that says what it is about.
pub fn with_unit_log(line: &str) -> String {
    match unit_log(QUOTED_LINES) {
        log if log.is_empty() => line.to_owned(),
        log => format!("{line}\n  {}", log.replace('\n', "\n  ")),
    }
}

pub fn service_has_failed() -> Failure {
    let message = with_unit_log("the service ece-agent has failed; its log ends with");
    Failure::in_lines(Code::ServiceFailed, &message)
}

/// What starts the daemon of an installed host.
pub fn how_to_start(state: &StateDir) -> String {
    if is_of_a_service(state) && unit_state() == "active" {
        let dir = state.path().display();
        return format!(
            "The service runs, and not with what is in {dir} now: 'systemctl restart ece-agent'."
        );
    }
    let start = match is_of_a_service(state) {
        true => "'systemctl start ece-agent', or with 'ece-agent start'".to_owned(),
        false => format!("'{}'", start_command(state)),
    };
    format!("Start it with {start}.")
}

/// What makes a daemon answer where something else does.
pub fn how_to_be_answered(state: &StateDir) -> String {
    if is_of_a_service(state) {
        return "Run 'systemctl restart ece-agent', which makes the socket anew, then repeat the command.".into();
    }
    let start = start_command(state);
    match StateLock::is_free(state) {
        true => format!("No daemon runs there: '{start}' starts one, with a socket of its own."),
        false => {
            let lock = shell_word(&state.lock().to_string_lossy());
            format!("End the daemon, whose process 'fuser {lock}' names, then run '{start}'.")
        }
    }
}

fn start_command(state: &StateDir) -> String {
    format!("ece-agent start{}", state_dir_flag(state))
}
