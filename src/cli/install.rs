use std::{
    io,
    path::{Path, PathBuf},
    process::Child,
};

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{
    bootstrap_log::BootstrapLog,
    logging,
    output::Output,
    own_state_dir,
    progress::Reporter,
    run::{self, daemon_runtime},
    stop::stop_daemon,
    wait::{not_in_time, running, until_connected},
};
use crate::{
    agent::{
        AgentState, Identity, JoinStart, Progress, Status, Step, load_identity, prepare_state_dir,
    },
    config::{InstallArguments, InstallOptions, Mistake, Purpose, StateDir},
    coordinator::API_PORT,
    daemon::{FirstHostStart, StateLock},
    host::{LinuxMachine, process::spawn_background},
    model::{Code, Exit, Failure, RoleSet},
    rt::{Clock, files},
};

const CONFIG_FILE: &str = "/etc/ece-agent/config.toml";

/// How much of the daemon's log a failure quotes.
const QUOTED_LINES: usize = 5;

pub fn install(arguments: InstallArguments, output: Output) -> Result<Exit, Failure> {
    let options = arguments
        .with_config_file(Path::new(CONFIG_FILE))
        .map_err(|error| Failure::new(Code::ConfigFile, error.to_string()))?
        .build(own_state_dir())
        .map_err(|mistakes| Mistake::failure(&mistakes))?;
    if !options.without_effect.is_empty() {
        let names = options.without_effect.join(", ");
        output.note(&format!("no effect here, as there are no containers: {names}"));
    }
    logging::start(if options.foreground { "info" } else { "warn" });
    daemon_runtime().block_on(Installation { options, output }.carry_out())
}

struct Installation {
    options: InstallOptions,
    output: Output,
}

/// A host whose identity is on disk.
struct Installed {
    identity: Identity,
    secrets_file: Option<PathBuf>,
    already: bool,
}

impl Installation {
    async fn carry_out(self) -> Result<Exit, Failure> {
        let deadline = Instant::now() + self.options.timeout;
        let state = &self.options.state_dir;
        if let Some(status) = running(state).await? {
            if !(status.state == AgentState::Refused && self.options.new_identity) {
                return self.already_running(status, deadline).await;
            }
            stop_daemon(state).await?;
        }
        let reporter = Reporter::new(self.output);
        prepare_state_dir(state)?;
        let lock = StateLock::take(state)?;
        let installed = match timeout_at(deadline, self.make_member(&reporter)).await {
            Ok(installed) => installed.inspect_err(|_| reporter.end())?,
            Err(_) => {
                reporter.end();
                let message = "the coordinator did not let the host in in time";
                return Err(Failure::new(Code::CoordinatorTimeout, message));
            }
        };
        if self.options.foreground {
            self.go_on_as_daemon(installed, lock, reporter, deadline).await
        } else {
            drop(lock);
            self.leave_daemon_behind(installed, reporter, deadline).await
        }
    }

    /// The same command again, while the daemon runs.
    async fn already_running(&self, status: Status, deadline: Instant) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        if let Some(identity) = load_identity(state)? {
            self.check_same(&identity)?;
        }
        let status = match status.connected {
            true => status,
            false => until_connected(state, deadline, || None).await?,
        };
        if self.output.is_json() {
            self.done(&status, true, None);
        } else {
            self.output.note(&format!(
                "all is well: the host {} is a member of the cluster {} and connected to {}",
                status.runner_id,
                status.cluster_id,
                status.coordinator.map_or("its coordinator".into(), |address| address.to_string()),
            ));
        }
        Ok(Exit::Success)
    }

    /// Whether the command is about the host that is installed here.
    fn check_same(&self, identity: &Identity) -> Result<(), Failure> {
        if let Some(given) = &self.options.runner_id
            && *given != identity.runner_id
        {
            let message = format!(
                "the host {} is installed here, and --runner-id says {given}",
                identity.runner_id
            );
            return Err(Failure::new(Code::InstallRunnerIdDiffers, message));
        }
        let requested = match &self.options.purpose {
            Purpose::Join(join) => &join.roles,
            Purpose::FirstHost(first) => &first.roles,
        };
        let plain_repetition =
            matches!(self.options.purpose, Purpose::FirstHost(_)) && *requested == RoleSet::all();
        if *requested != identity.joined_roles && !plain_repetition {
            let message = format!(
                "this host joined with the roles {}, and now asks for {requested}",
                identity.joined_roles
            );
            return Err(Failure::new(Code::JoinRolesDiffer, message));
        }
        Ok(())
    }

    /// Brings the host to the point where only the daemon is missing.
    async fn make_member(&self, reporter: &Reporter) -> Result<Installed, Failure> {
        let options = &self.options;
        let identity = load_identity(&options.state_dir)?;
        if let Some(identity) = identity
            && !options.new_identity
        {
            self.check_same(&identity)?;
            return Ok(Installed { identity, secrets_file: None, already: true });
        }
        let now = Clock::system().now();
        match &options.purpose {
            Purpose::Join(join) => {
                let start = JoinStart {
                    options: join.clone(),
                    settings: options.settings.clone(),
                    runner_id: options.runner_id.clone(),
                    state: &options.state_dir,
                    machine: &LinuxMachine,
                    progress: reporter,
                    relaxed: options.foreground || options.force,
                    new_identity: options.new_identity,
                };
                let identity = start.join(now).await?.identity;
                Ok(Installed { identity, secrets_file: None, already: false })
            }
            Purpose::FirstHost(first) => {
                let storage_path = &options.settings.storage_path;
                let log = BootstrapLog::start(storage_path, reporter).map_err(|error| {
                    let message = format!("{}: {error}", storage_path.display());
                    Failure::new(Code::StateNotWritable, message)
                })?;
                let start = FirstHostStart {
                    options: first.clone(),
                    settings: options.settings.clone(),
                    runner_id: options.runner_id.clone(),
                    state: &options.state_dir,
                    machine: &LinuxMachine,
                    progress: &log,
                    relaxed: options.foreground || options.force,
                };
                let set_up = start.set_up(now).await.inspect_err(|failure| log.failure(failure))?;
                log.success();
                Ok(Installed {
                    identity: set_up.identity,
                    secrets_file: Some(set_up.secrets_file),
                    already: false,
                })
            }
        }
    }

    async fn go_on_as_daemon(
        &self,
        installed: Installed,
        lock: StateLock,
        reporter: Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        reporter.started(Step::Connected);
        let (daemon, shutdown) = run::start(self.options.state_dir.clone(), lock)
            .await
            .inspect_err(|_| reporter.end())?;
        let board = daemon.board().clone();
        let mut followed = board.follow();
        let output = self.output;
        let told = async {
            let settled =
                followed.wait_for(|status| status.connected || status.state == AgentState::Refused);
            let status = timeout_at(deadline, settled).await;
            let status = status.ok().and_then(|status| status.ok().map(|status| status.clone()));
            match status {
                Some(status) if status.connected => self.tell(&status, &installed, &reporter),
                Some(Status { problem: Some(problem), .. }) => {
                    reporter.end();
                    output.failure(&problem.into());
                }
                // The daemon goes on trying; whoever watches should know.
                _ => {
                    reporter.end();
                    output.failure(&not_in_time(Some(board.read())));
                }
            }
        };
        let mut running = std::pin::pin!(daemon.run(shutdown));
        tokio::select! {
            () = told => running.await?,
            ended = &mut running => {
                reporter.end();
                ended?;
            }
        }
        Ok(Exit::Success)
    }

    async fn leave_daemon_behind(
        &self,
        installed: Installed,
        reporter: Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        reporter.started(Step::Daemon);
        let mut child = start_daemon(state).inspect_err(|_| reporter.end())?;
        reporter.finished(Step::Daemon, &format!("process {}", child.id()));
        reporter.started(Step::Connected);
        let status = until_connected(state, deadline, || ended(&mut child, state))
            .await
            .inspect_err(|_| reporter.end())?;
        self.tell(&status, &installed, &reporter);
        Ok(Exit::Success)
    }

    /// The last words of an installation that worked.
    fn tell(&self, status: &Status, installed: &Installed, reporter: &Reporter) {
        let coordinator =
            status.coordinator.as_ref().map_or("the coordinator".into(), ToString::to_string);
        reporter.finished(Step::Connected, &format!("to {coordinator}"));
        reporter.end();
        if self.output.is_json() {
            return self.done(status, installed.already, installed.secrets_file.as_deref());
        }
        for line in self.closing_lines(status, installed) {
            self.output.note(&line);
        }
    }

    fn done(&self, status: &Status, already: bool, secrets_file: Option<&Path>) {
        self.output.event(
            "done",
            json!({
                "runner_id": status.runner_id,
                "cluster_id": status.cluster_id,
                "host_ip": status.host_ip,
                "roles": status.roles.keys().collect::<Vec<_>>(),
                "coordinator": status.coordinator,
                "connected": status.connected,
                "already_installed": already,
                "secrets_file": secrets_file,
            }),
        );
    }

    fn closing_lines(&self, status: &Status, installed: &Installed) -> Vec<String> {
        let identity = &installed.identity;
        let mut lines = vec![format!("the host {} is connected", status.runner_id)];
        if let Some(file) = &installed.secrets_file {
            let host = identity.host_ip;
            let url = match host {
                std::net::IpAddr::V4(_) => format!("https://{host}:{API_PORT}"),
                std::net::IpAddr::V6(_) => format!("https://[{host}]:{API_PORT}"),
            };
            lines.push(format!("API: {url}/api/v1"));
            lines.push(format!("passwords and tokens: {}", file.display()));
            if self.output.is_terminal() {
                lines.extend(secrets_in_words(file));
            }
            lines.push("to add a host: ece-agent token create --roles allocator".into());
        } else if let Purpose::Join(join) = &self.options.purpose
            && join.roles.is_empty()
            && let Ok(token) = crate::token::UnverifiedToken::parse(join.token.expose())
            && !token.claims().roles.is_empty()
        {
            let allowed = token.claims().roles.join(", ");
            lines.push(format!(
                "it has no roles, as --roles was left out; the token allows {allowed}"
            ));
        }
        let dir = self.options.state_dir.path();
        if dir == own_state_dir() {
            lines.push("next: ece-agent status".into());
        } else {
            lines.push(format!("next: ece-agent status --state-dir {}", dir.display()));
        }
        lines
    }
}

/// What the secrets file holds, for the person who has just set up the first host.
fn secrets_in_words(file: &Path) -> Vec<String> {
    const NAMES: [(&str, &str); 5] = [
        ("adminconsole_root_password", "password of admin"),
        ("adminconsole_readonly_password", "password of readonly"),
        ("bootstrap_runner_roles_token", "token without roles"),
        ("allocator_only_token", "token for allocators"),
        ("emergency_all_roles_except_allocator_token", "token for all other roles"),
    ];
    let content = files::read_limited(file, 1 << 20).ok().flatten().unwrap_or_default();
    let secrets: serde_json::Value = serde_json::from_slice(&content).unwrap_or_default();
    let shown = |(key, name)| Some(format!("  {name}: {}", secrets.get(key)?.as_str()?));
    NAMES.into_iter().filter_map(shown).collect()
}

fn start_daemon(state: &StateDir) -> Result<Child, Failure> {
    let arguments =
        ["run".as_ref(), "--background".as_ref(), "--state-dir".as_ref(), state.path().as_os_str()];
    spawn_background(&arguments, &state.log()).map_err(|error: io::Error| {
        Failure::new(Code::DaemonNotStarted, format!("the daemon was not started: {error}"))
    })
}

/// Why the daemon that was left behind is gone, if it is.
fn ended(child: &mut Child, state: &StateDir) -> Option<Failure> {
    let status = child.try_wait().ok().flatten()?;
    let log = files::read_limited(&state.log(), 64 << 20).ok().flatten().unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n  ");
    let message = format!("the daemon ended at once ({status}); its log ends with\n  {last}");
    let fix = format!("See {}, then repeat the command.", state.log().display());
    Some(Failure::new(Code::DaemonNotStarted, message).with_fix(fix))
}
