//! Installing: as a service where this is root and systemd is in charge, else with a daemon in
//! the background or in this process.

mod closing;
mod directories;
mod drift;
mod ending;
mod health;
mod here;
mod installation;
mod made;
mod member;
mod noted;
mod plan;
mod renewal;
mod repair;
mod service;
mod token;
mod unit;

use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    CONFIG_FILE,
    answering::{LONGEST, Watched, state_answers, storage_answers},
    bootstrap_log::BootstrapLog,
    known_host::{Known, installed_by_root, known_host},
    logging,
    output::Output,
    own_state_dir,
    progress::Reporter,
    run::run_daemon,
    service_layout::runs_as_service,
    stop::stop_daemon,
    wait::until_connected,
};
use crate::{
    agent::{AgentState, Progress, Status, load_identity},
    config::{InstallArguments, Mistake, StateDir},
    model::{Code, Exit, Failure},
};
use health::until_healthy;
use installation::{Installation, RunMode};

pub use member::become_member;
pub use renewal::{FORMER_VERB, tell_former};
pub use service::MEMBER_VERB;
pub use unit::copy_binary;

pub fn install(arguments: InstallArguments, output: Output) -> Result<Exit, Failure> {
    let whole = arguments.clone().with_config_file(Path::new(CONFIG_FILE));
    all_answers(whole.as_ref().unwrap_or(&arguments))?;
    let log = Arc::new(log_of(whole.as_ref().unwrap_or(&arguments)));
    let whole = whole.map_err(|error| Failure::new(Code::ConfigFile, error.to_string()));
    let ended = log.renew().and_then(|()| install_logged(whole?, &log, output));
    ended.inspect_err(|failure| log.failure(failure))
}

/// Nothing that this works on holds it up longer than it may take.
fn all_answers(arguments: &InstallArguments) -> Result<(), Failure> {
    let seconds = arguments.timeout.as_ref().and_then(|text| text.parse().ok());
    let longest = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok()).unwrap_or(LONGEST);
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    state_answers(&state, longest)?;
    let kept = known_host(&state).and_then(|known| known.storage_path()).ok().flatten();
    storage_answers(&kept.unwrap_or_else(|| arguments.storage_path()), longest)
}

/// The log that ECE's automation reads; there is one for a first host only.
fn log_of(arguments: &InstallArguments) -> BootstrapLog {
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    match known_host(&state).ok().and_then(Known::host) {
        _ if arguments.joins() || arguments.dry_run => BootstrapLog::none(),
        // Who is a member stays one, where it is, whatever was given.
        Some(host) if host.first_host => BootstrapLog::of(host.storage_path),
        Some(_) => BootstrapLog::none(),
        None => BootstrapLog::of(arguments.storage_path()),
    }
}

/// The same for a command line that cannot be read: what can be seen of it has to do.
pub fn end_earlier_log(arguments: &[OsString]) {
    let text: Vec<_> = arguments.iter().skip(1).map(|it| it.to_string_lossy()).collect();
    let seen = InstallArguments::seen_in(&text);
    if text.first().is_none_or(|verb| verb != "install") || seen.joins() {
        return;
    }
    let whole = seen.clone().with_config_file(Path::new(CONFIG_FILE)).unwrap_or(seen);
    if all_answers(&whole).is_err() {
        return;
    }
    let log = log_of(&whole);
    // There is nothing to do for whom this does not work, either.
    let _ = log.renew();
    log.failure(&Failure::new(Code::ConfigInvalid, "the command line is not valid"));
}

fn install_logged(
    arguments: InstallArguments,
    log: &Arc<BootstrapLog>,
    output: Output,
) -> Result<Exit, Failure> {
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    if let Some(failure) = installed_by_root(&state) {
        return Err(failure);
    }
    let membership = renewal::membership(&state, arguments.new_identity)?;
    let roles_given = arguments.roles.is_some();
    let mut options = renewal::with_settings_kept(arguments, output)
        .build(own_state_dir(), membership)
        .map_err(|mistakes| Mistake::failure(&mistakes))?;
    options.roles_given = roles_given;
    if renewal::stays_with_its_cluster(&mut options) {
        output.note("this is the first host of its cluster, and stays it: the token is not used");
    }
    renewal::keeps_its_cluster(&options)?;
    if !options.without_effect.is_empty() {
        let names = options.without_effect.join(", ");
        output.note(&format!("no effect here, as there are no containers: {names}"));
    }
    logging::start(if options.foreground { "info" } else { "warn" });
    let run_mode = match () {
        () if options.foreground => RunMode::Foreground,
        () if runs_as_service(&options.state_dir) => RunMode::Service,
        () => RunMode::Background,
    };
    let storage = &options.settings.storage_path;
    let told = log.clone();
    let told = move |failure: &Failure| told.failure(failure);
    let watched = Watched::state_and_storage_telling(&options.state_dir, storage, told);
    let watched = Some(watched);
    run_daemon(Installation { options, output, run_mode, log, watched }.carry_out())
}

impl Installation<'_> {
    async fn carry_out(mut self) -> Result<Exit, Failure> {
        self.keep_storage_path();
        if self.options.dry_run {
            return self.tell_plan().await;
        }
        let patience = self.options.timeout + self.options.wait_for_coordinator;
        let deadline = Instant::now() + patience;
        let state = &self.options.state_dir;
        if let Some(status) = self.running().await? {
            match status.state {
                AgentState::Refused if self.options.new_identity => {
                    self.check_way_ahead().await?;
                    stop_daemon(state).await?
                }
                AgentState::Connected if self.options.new_identity => {
                    let message = format!("{} is a member in good standing", status.name());
                    return Err(Failure::new(Code::JoinNotNeeded, message));
                }
                _ => return self.already_running(status, deadline).await,
            };
        }
        let reporter = Reporter::new(self.output, deadline);
        let ended = match self.run_mode {
            RunMode::Service => self.install_service(&reporter, deadline).await,
            RunMode::Foreground | RunMode::Background => {
                self.install_here(&reporter, deadline).await
            }
        };
        reporter.end();
        ended
    }

    /// The same command again, while the daemon runs.
    async fn already_running(&self, status: Status, deadline: Instant) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        let reporter = Reporter::new(self.output, deadline);
        self.log.begin()?;
        let progress = self.log.beside(&reporter);
        // What a host that is refused was, does not count.
        let refused = status.state == AgentState::Refused;
        if let Some(identity) = load_identity(state)?.filter(|_| !refused) {
            self.check_same(&identity)?;
            let differences = self.drift(&identity, Some(&status), &progress).await;
            if self.run_mode == RunMode::Service {
                self.note_cluster(&identity, false, &progress)?;
                self.repair(&identity, &status, &differences, &progress)?;
            }
        }
        let status = match self.options.no_wait {
            true => self.running().await?.unwrap_or(status),
            false => until_connected(state, deadline, || None, |it| reporter.waiting(it)).await?,
        };
        let deadline = if self.options.no_wait { Instant::now() } else { deadline };
        let status = until_healthy(state, status, deadline, |it| reporter.waiting(it)).await?;
        self.log.success();
        reporter.end();
        self.closing().already_running(&status);
        Ok(Exit::Success)
    }
}
