use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    StateDirArgument,
    answering::Watched,
    background::ended,
    install::copy_binary,
    known_host::{must_be_own, not_installed},
    output::Output,
    run_to_end,
    service_layout::{
        ServiceLayout, how_to_start, or_in_use, runs_as_service, service_failed,
        service_has_failed, with_unit_log,
    },
    stop::stop_daemon,
    wait::{running, until_connected},
};
use crate::{
    agent::{Status, load_identity},
    config::StateDir,
    host::{
        process::spawn_background,
        service::{LONGEST_STOP, is_packaged, stop_service, systemctl, unit_state},
    },
    model::{Code, Exit, Failure},
};

#[derive(clap::Args)]
pub struct UpgradeArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// The binary to install [default: the one that is called]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Seconds until the daemon must be healthy with it
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u32,
}

/// An installed daemon, and the program that it runs.
struct Upgrade {
    state: StateDir,
    is_service: bool,
    target: PathBuf,
    before: Option<Status>,
    timeout: Duration,
}

pub fn upgrade(arguments: UpgradeArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.answering()?;
    let watched = Watched::state(&state);
    let is_service = runs_as_service(&state) && Path::new(ServiceLayout::BINARY).exists();
    if !is_service {
        must_be_own(&state)?;
    }
    let is_named = arguments.binary.is_some();
    let new = match arguments.binary {
        Some(file) => file,
        None => std::env::current_exe().map_err(|error| failed(error.to_string()))?,
    };
    let new_version = version_of(&new)?;
    run_to_end(async {
        let before = match running(&state).await {
            // Whatever is in the socket's place, the service manager restarts the daemon.
            Err(_) if is_service => None,
            before => before?,
        };
        let target = match (&before, is_service) {
            (_, true) => PathBuf::from(ServiceLayout::BINARY),
            (Some(status), false) => program_of(status)?,
            (None, false) => {
                if load_identity(&state)?.is_none() {
                    return Err(not_installed(&state));
                }
                let message = format!("no daemon runs for {}", state.path().display());
                let failure = Failure::new(Code::DaemonNotRunning, message);
                return Err(failure.with_fix(how_to_start(&state)));
            }
        };
        if is_packaged(&target) {
            let message = format!("{} belongs to a Debian package", target.display());
            return Err(Failure::new(Code::UpgradePackaged, message));
        }
        let same_file = fs::canonicalize(&new).ok() == fs::canonicalize(&target).ok();
        if same_file || fs::read(&new).ok() == fs::read(&target).ok() {
            output.note(&format!("{new_version} is installed already"));
            if same_file && !is_named {
                output.note(
                    "it was the installed program that was called: call 'upgrade' of the new one, or name that with --binary FILE",
                );
            }
            return Ok(Exit::Success);
        }
        let timeout = Duration::from_secs(arguments.timeout.into());
        let upgrade = Upgrade { state, is_service, target, before, timeout };
        // Ended in the middle it would leave a host without a daemon.
        watched.end();
        upgrade.carry_out(&new).await?;
        output.note(&format!("upgraded to {new_version}"));
        output.note("this was this host alone: repeat it on the others, one after the other");
        Ok(Exit::Success)
    })
}

const SEE_STATUS: &str = "'ece-agent status' says what is not as before. The version before it needs the datastore as it was before the upgrade: restore its backup ('ece-agent restore DIRECTORY'), then run 'upgrade --binary FILE' with that version.";
const RESTORE: &str = "'ece-agent logs' says why the daemon does not run. The version before it needs the datastore as it was before the upgrade: restore its backup ('ece-agent restore DIRECTORY'), then run 'upgrade --binary FILE' with that version.";
const SEE_LOG: &str = "'ece-agent logs' says why the daemon does not run; when that is mended run 'ece-agent start', then repeat the upgrade.";

fn failed(message: String) -> Failure {
    Failure::in_lines(Code::UpgradeFailed, &message)
}

/// What a binary says of itself: one that does not run here is found out before it is installed.
fn version_of(binary: &Path) -> Result<String, Failure> {
    let unusable = |reason: String| {
        let message = format!("{} cannot be installed: {reason}", binary.display());
        Failure::new(Code::ConfigInvalid, message).with_fix("Give an ece-agent for this machine.")
    };
    let mut command = Command::new(binary);
    let said = command.arg("--version").stdin(Stdio::null()).output();
    let said = said.map_err(|error| unusable(error.to_string()))?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    match said.status.success() && text.starts_with("ece-agent ") {
        true => Ok(text),
        false => Err(unusable("it does not say that it is ece-agent".into())),
    }
}

/// The file of the program that a daemon runs, also after it was replaced. Older ones do not say.
fn program_of(status: &Status) -> Result<PathBuf, Failure> {
    if let Some(program) = &status.program {
        return Ok(program.clone());
    }
    let link = fs::read_link(format!("/proc/{}/exe", status.pid));
    let path = link.map_err(|error| failed(format!("the daemon's program: {error}")))?;
    let text = path.to_string_lossy().into_owned();
    Ok(text.strip_suffix(" (deleted)").map_or(path, PathBuf::from))
}

impl Upgrade {
    async fn carry_out(&self, new: &Path) -> Result<(), Failure> {
        let kept = self.target.with_file_name(".ece-agent.before-upgrade");
        let io = |what: &str, error: io::Error| failed(format!("{what}: {error}"));
        copy_binary(&self.target, &kept).map_err(|error| io("keeping the old binary", error))?;
        copy_binary(new, &self.target).map_err(|error| io("installing the new binary", error))?;
        let healthy = match self.restart().await {
            Ok(_) => self.until_healthy().await,
            Err(failure) => Err(failure),
        };
        let outcome = match healthy {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.go_back(new, &kept, &failure).await),
        };
        let _ = fs::remove_file(&kept);
        outcome
    }

    /// Puts the one before back. Where it does not run any more, as what the new one has stored is
    /// too new for it, the new one is what the host has.
    async fn go_back(&self, new: &Path, kept: &Path, why: &Failure) -> Failure {
        let why = format!("the new binary is not healthy: {why}");
        let Err(lost) = self.runs(kept).await else {
            return failed(format!("{why}; the one before it runs again"));
        };
        let is_too_new = lost.message.contains(Code::StoreTooNew.name());
        let why = format!("{why}; the one before it does not run any more: {lost}");
        let (outcome, fix) = match self.runs(new).await {
            Ok(()) => ("so the new one was put back, and runs", SEE_STATUS),
            Err(_) if is_too_new => ("so the new one was put back, and does not run", RESTORE),
            Err(_) => match self.runs(kept).await {
                Ok(()) => ("nor does the new one; the one before was put back, and runs", SEE_LOG),
                Err(_) => ("nor does the new one; the one before was put back", SEE_LOG),
            },
        };
        Failure::in_lines(Code::UpgradeFailed, &format!("{why}; {outcome}")).with_fix(fix)
    }

    /// Puts a binary in place, and waits until its daemon answers, connected or not.
    async fn runs(&self, binary: &Path) -> Result<(), Failure> {
        copy_binary(binary, &self.target).map_err(|error| failed(error.to_string()))?;
        let mut child = self.restart().await?;
        let gone = || match &mut child {
            Some(child) => ended(child, &self.state),
            None => (unit_state() == "failed").then(service_has_failed),
        };
        self.until_it_answers(gone).await
    }

    /// The daemon's process, where it is a child of this one.
    async fn restart(&self) -> Result<Option<Child>, Failure> {
        if self.is_service {
            let _ = systemctl(["reset-failed", "ece-agent"]);
            stop_service(LONGEST_STOP).map_err(|error| service_failed(&error))?;
            return systemctl(["start", "ece-agent"]).map(|_| None).map_err(|error| {
                let message = with_unit_log(&error.to_string());
                or_in_use(&self.state, Failure::in_lines(Code::ServiceFailed, &message))
            });
        }
        stop_daemon(&self.state).await?;
        let dir = self.state.path().as_os_str();
        let arguments = ["run".as_ref(), "--background".as_ref(), "--state-dir".as_ref(), dir];
        spawn_background(&self.target, &arguments, &self.state.log())
            .map(Some)
            .map_err(|error| failed(error.to_string()))
    }

    /// As well as before: connected, if it was connected.
    async fn until_healthy(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        if self.before.as_ref().is_some_and(|status| status.connected) {
            return until_connected(&self.state, deadline, || None, |_| ()).await.map(|_| ());
        }
        self.until_it_answers(|| None).await
    }

    /// `gone` tells why it never will.
    async fn until_it_answers(
        &self,
        mut gone: impl FnMut() -> Option<Failure>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let answered = running(&self.state).await;
            if matches!(answered, Ok(Some(_))) {
                return Ok(());
            }
            if let Some(failure) = gone() {
                return Err(failure);
            }
            if Instant::now() >= deadline {
                let message = "the daemon does not answer";
                let silent = Failure::new(Code::DaemonNotRunning, message);
                return Err(answered.err().unwrap_or(silent));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
