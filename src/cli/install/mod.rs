//! Installing: as a service where this is root and systemd is in charge, else with a daemon in
//! the background or in this process.

mod background;
mod closing;
mod directories;
mod drift;
mod health;
mod member;
mod noted;
mod plan;
mod renewal;
mod repair;
mod service;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    CONFIG_FILE,
    answering::{LONGEST, Watched, state_answers, storage_answers},
    bootstrap_log::BootstrapLog,
    known_host::{Known, known_host},
    known_host::{installed_by_root, must_be_own},
    logging,
    output::Output,
    own_state_dir,
    progress::Reporter,
    run::{self, run_daemon},
    stop::stop_daemon,
    storage::{self, Claim},
    wait::{not_in_time, running, until_connected},
};
use crate::{
    agent::{AgentState, Identity, Progress, Status, Step, load_identity, prepare_state_dir},
    config::{InstallArguments, InstallOptions, Mistake, StateDir},
    daemon::StateLock,
    host::{LinuxMachine, Machine},
    model::{Code, Exit, Failure},
};
pub use background::{ended, start_daemon};
use closing::Closing;
use health::{must_be_of_this_cluster, unhealthy, until_healthy};
use member::Installed;

pub use member::become_member;
pub use service::{Layout, MEMBER_VERB, copy_binary, service_failed};

/// How the daemon goes on when `install` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Daemon {
    /// In this process.
    Foreground,
    /// In a process of its own that nobody watches.
    Background,
    /// As a service, as a user of its own.
    Service,
}

pub fn install(arguments: InstallArguments, output: Output) -> Result<Exit, Failure> {
    let whole = arguments.clone().with_config_file(Path::new(CONFIG_FILE));
    all_answers(whole.as_ref().unwrap_or(&arguments))?;
    let log = log_of(whole.as_ref().unwrap_or(&arguments));
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
    let joins = |it: &str| it.starts_with("--coordinator-host") || it.starts_with("--roles-token");
    if text.first().is_none_or(|verb| verb != "install") || text.iter().any(|it| joins(it)) {
        return;
    }
    const FLAG: &str = "--host-storage-path";
    let at = text.iter().position(|it| it == FLAG).and_then(|at| text.get(at + 1));
    let with_value = text.iter().find_map(|it| it.strip_prefix(FLAG)?.strip_prefix('='));
    let storage = with_value.or(at.map(|it| &**it)).map(PathBuf::from);
    let variable = || env::var_os("ECE_AGENT_HOST_STORAGE_PATH").map(PathBuf::from);
    let seen = InstallArguments {
        host_storage_path: storage.or_else(variable),
        dry_run: text.iter().any(|it| it == "--dry-run"),
        ..Default::default()
    };
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
    log: &BootstrapLog,
    output: Output,
) -> Result<Exit, Failure> {
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    if let Some(failure) = installed_by_root(&state) {
        return Err(failure);
    }
    let membership = renewal::membership(&state, arguments.new_identity);
    let roles_given = arguments.roles.is_some();
    let mut options = renewal::with_settings_kept(arguments)
        .build(own_state_dir(), membership)
        .map_err(|mistakes| Mistake::failure(&mistakes))?;
    options.roles_given = roles_given;
    if renewal::stays_with_its_cluster(&mut options) {
        output.note("this is the first host of its cluster, and stays it: the token is not used");
    }
    if !options.without_effect.is_empty() {
        let names = options.without_effect.join(", ");
        output.note(&format!("no effect here, as there are no containers: {names}"));
    }
    logging::start(if options.foreground { "info" } else { "warn" });
    let daemon = match () {
        () if options.foreground => Daemon::Foreground,
        () if runs_as_service(&options.state_dir) => Daemon::Service,
        () => Daemon::Background,
    };
    let storage = &options.settings.storage_path;
    let watched = Some(Watched::state_and_storage(&options.state_dir, storage));
    run_daemon(Installation { options, output, daemon, log, watched }.carry_out())
}

/// Whether the host of this state directory is, or will be, a service of the system.
pub fn runs_as_service(state: &StateDir) -> bool {
    let is_own = state.path() == own_state_dir();
    is_own && LinuxMachine.is_root() && LinuxMachine.has_systemd()
}

struct Installation<'a> {
    options: InstallOptions,
    output: Output,
    daemon: Daemon,
    log: &'a BootstrapLog,
    watched: Option<Watched>,
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
        let ended = match self.daemon {
            Daemon::Service => self.install_service(&reporter, deadline).await,
            Daemon::Foreground | Daemon::Background => self.install_here(&reporter, deadline).await,
        };
        reporter.end();
        ended
    }

    /// What the daemon says. What answers where a service does need not be the service, which is
    /// looked at as one.
    async fn running(&self) -> Result<Option<Status>, Failure> {
        let state = &self.options.state_dir;
        let answered = match running(state).await {
            Ok(Some(status)) => must_be_of_this_cluster(&status, state).map(|()| Some(status)),
            other => other,
        };
        match answered {
            // Beside that one nothing can be done.
            Err(failure) if failure.is(Code::DaemonNotTheService) => Err(failure),
            Err(_) if self.daemon == Daemon::Service => Ok(None),
            answered => answered,
        }
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
            if self.daemon == Daemon::Service {
                self.note_cluster(&identity, false)?;
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

    /// Installs with the rights of the caller.
    async fn install_here(&self, reporter: &Reporter, deadline: Instant) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        must_be_own(state)?;
        let claim = storage::look(&self.options)?.claim;
        prepare_state_dir(state)?;
        let lock = StateLock::take(state, |held, left| reporter.waiting_for(held, left)).await?;
        claim.as_ref().map_or(Ok(()), Claim::write)?;
        self.log.begin()?;
        let progress = self.log.beside(reporter);
        if let Some(identity) = self.identity_that_stays()? {
            let differences = self.drift(&identity, None, &progress).await;
            if !differences.is_empty() {
                progress.started(Step::Config);
                progress.finished(Step::Config, &drift::in_words(&differences));
            }
        }
        let installed = self.make_member(&progress, deadline).await?;
        if self.daemon == Daemon::Foreground {
            self.go_on_as_daemon(installed, lock, reporter, deadline).await
        } else {
            drop(lock);
            self.leave_daemon_behind(installed, reporter, deadline).await
        }
    }

    async fn go_on_as_daemon(
        &self,
        installed: Installed,
        lock: StateLock,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        reporter.started(Step::Connected);
        // A daemon goes on without them.
        self.watched.iter().for_each(Watched::end);
        let (daemon, shutdown) = run::start(self.options.state_dir.clone(), lock).await?;
        let board = daemon.board().clone();
        let mut followed = board.follow();
        let told = async {
            let settled =
                followed.wait_for(|status| status.connected || status.state == AgentState::Refused);
            let status = timeout_at(deadline, settled).await;
            let status = status.ok().and_then(|status| status.ok().map(|status| status.clone()));
            let failure = match status {
                Some(status) if status.connected => match unhealthy(&status) {
                    None => return self.finish(&status, &installed, reporter),
                    Some(failure) => failure,
                },
                Some(Status { problem: Some(problem), .. }) => problem.into(),
                // The daemon goes on trying; whoever watches should know.
                _ => not_in_time(Some(board.read())),
            };
            reporter.end();
            self.log.failure(&failure);
            self.output.failure(&failure);
        };
        let mut running = std::pin::pin!(daemon.run(shutdown));
        tokio::select! {
            () = told => running.await?,
            ended = &mut running => ended?,
        }
        Ok(Exit::Success)
    }

    async fn leave_daemon_behind(
        &self,
        installed: Installed,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        reporter.started(Step::Daemon);
        let mut child = start_daemon(state)?;
        reporter.finished(Step::Daemon, &format!("process {}", child.id()));
        let gone = || ended(&mut child, state);
        self.wait_and_finish(&installed, reporter, deadline, gone).await
    }

    /// Waits until the daemon is connected, unless that is not wanted, and says so.
    async fn wait_and_finish(
        &self,
        installed: &Installed,
        reporter: &Reporter,
        deadline: Instant,
        gone: impl FnMut() -> Option<Failure>,
    ) -> Result<Exit, Failure> {
        if self.options.no_wait {
            self.log.success();
            reporter.end();
            self.closing().not_waited(installed);
            return Ok(Exit::Success);
        }
        reporter.started(Step::Connected);
        let status =
            until_connected(&self.options.state_dir, deadline, gone, |it| reporter.waiting(it))
                .await?;
        let state = &self.options.state_dir;
        must_be_of_this_cluster(&status, state)?;
        let status = until_healthy(state, status, deadline, |it| reporter.waiting(it)).await?;
        self.finish(&status, installed, reporter);
        Ok(Exit::Success)
    }

    /// The last words of an installation that worked.
    fn finish(&self, status: &Status, installed: &Installed, reporter: &Reporter) {
        let coordinator = status.coordinator.as_ref();
        let coordinator = coordinator.map_or("the coordinator".into(), ToString::to_string);
        reporter.finished(Step::Connected, &format!("to {coordinator}"));
        self.log.success();
        reporter.end();
        self.closing().connected(status, installed);
    }

    /// Who this host is already. What a new identity replaces may be damaged.
    fn identity_that_stays(&self) -> Result<Option<Identity>, Failure> {
        match self.options.new_identity {
            true => Ok(None),
            false => Ok(load_identity(&self.options.state_dir)?),
        }
    }

    fn closing(&self) -> Closing<'_> {
        Closing { options: &self.options, output: self.output, daemon: self.daemon }
    }
}
