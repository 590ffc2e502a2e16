use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    CONFIG_FILE, StateDirArgument,
    install::{Layout, runs_as_service},
    output::Output,
    run_to_end,
    stop::stop_daemon,
};
use crate::{
    agent::{HostKeyState, Identity, dialler, load_identity, load_key},
    client::HttpCoordinator,
    config::StateDir,
    host::service::{remove_service_user, systemctl},
    model::{Code, Exit, Failure},
    preflight::instances_dir,
};

#[derive(clap::Args)]
pub struct UninstallArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// Also if instances or a whole cluster are lost with this host
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was removed, and what could not be done.
#[derive(Default)]
struct Account {
    removed: Vec<String>,
    problems: Vec<String>,
}

impl Account {
    fn note(&mut self, what: impl Into<String>, done: io::Result<bool>) {
        let what = what.into();
        match done {
            Ok(true) => self.removed.push(what),
            Ok(false) => {}
            Err(error) => self.problems.push(format!("{what} was not removed: {error}")),
        }
    }

    fn file(&mut self, path: &Path) {
        self.note(path.display().to_string(), missing_is_fine(fs::remove_file(path)));
    }

    /// A directory that nothing is in; one that somebody else has put something into stays.
    fn empty_dir(&mut self, path: &Path) {
        let removed = match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            other => missing_is_fine(other),
        };
        self.note(path.display().to_string(), removed);
    }
}

fn missing_is_fine(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub fn uninstall(arguments: UninstallArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.state_dir();
    let identity = match load_identity(&state) {
        // What cannot be read cannot be left properly either, and must not keep it from going.
        Err(_) if arguments.force => None,
        other => other?,
    };
    let service = runs_as_service(&state);
    if let Some(identity) = identity.as_ref().filter(|_| !arguments.force) {
        check_losses(identity)?;
    }
    let mut account = Account::default();
    if service {
        // A unit that was never there is as good as stopped.
        let _ = systemctl(["--quiet", "disable", "--now", "ece-agent"]);
    }
    let left = run_to_end(async {
        stop_daemon(&state).await?;
        Ok::<_, Failure>(match identity.as_ref().filter(|identity| !identity.first_host) {
            Some(identity) => Some(leave(identity, &state).await),
            None => None,
        })
    })?;
    if let Some(Err(failure)) = &left {
        let runner = identity.as_ref().map_or("ID".into(), |it| it.runner_id.to_string());
        account.problems.push(format!(
            "the cluster was not told: {failure}; delete the host there with DELETE …/infrastructure/runners/{runner}"
        ));
    }
    if let Some(identity) = &identity {
        remove_storage(identity, &mut account);
    }
    remove_state(&state, &mut account);
    if service {
        remove_what_install_made(&mut account);
    }
    tell(output, &account, left.map(|left| left.is_ok()));
    Ok(Exit::Success)
}

fn check_losses(identity: &Identity) -> Result<(), Failure> {
    let instances = instances_dir(&identity.settings);
    let count = fs::read_dir(&instances).map_or(0, Iterator::count);
    if count > 0 {
        let message = format!("{count} instances keep their data in {}", instances.display());
        return Err(Failure::new(Code::UninstallInstances, message));
    }
    if identity.first_host {
        let message = format!("{} is the first host of its cluster", identity.runner_id);
        return Err(Failure::new(Code::UninstallFirstHost, message));
    }
    Ok(())
}

/// Ends the membership at the first coordinator that answers.
async fn leave(identity: &Identity, state: &StateDir) -> Result<(), Failure> {
    let HostKeyState::There(key) = load_key(state)? else {
        return Err(Failure::new(Code::IdentityUnreadable, "the host's key is missing"));
    };
    let dialler = dialler(identity, &key)?;
    let mut last = Failure::new(Code::Internal, "no coordinator is known");
    for address in identity.coordinators() {
        match HttpCoordinator::new(address, dialler.clone()).leave().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is(Code::HostRemoved) || error.is(Code::HostUnknown) => {
                return Ok(());
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn remove_storage(identity: &Identity, account: &mut Account) {
    let storage = &identity.settings.storage_path;
    account.empty_dir(&instances_dir(&identity.settings));
    if identity.first_host {
        account.file(&storage.join("bootstrap-state/bootstrap-secrets.json"));
        account.empty_dir(&storage.join("bootstrap-state"));
        account.file(&storage.join("logs/bootstrap-logs/bootstrap.log"));
        account.empty_dir(&storage.join("logs/bootstrap-logs"));
        account.empty_dir(&storage.join("logs"));
    }
    // A mount point belongs to whoever has mounted it.
    if fs::remove_dir(storage).is_ok() {
        account.removed.push(storage.display().to_string());
    }
}

fn remove_state(state: &StateDir, account: &mut Account) {
    let socket = state.path().join(state.socket_name());
    let files: [PathBuf; 7] = [
        state.identity(),
        state.key(),
        state.journal(),
        state.desired(),
        state.log(),
        state.lock(),
        socket,
    ];
    let was_there = files.iter().any(|file| fs::symlink_metadata(file).is_ok());
    for file in &files {
        if let Err(error) = missing_is_fine(fs::remove_file(file)) {
            account.problems.push(format!("{} was not removed: {error}", file.display()));
        }
    }
    // This follows no links.
    if let Err(error) = missing_is_fine(fs::remove_dir_all(state.coordinator())) {
        let dir = state.coordinator();
        account.problems.push(format!("{} was not removed: {error}", dir.display()));
    }
    let _somebody_else_may_use_it = fs::remove_dir(state.path());
    if was_there {
        account.removed.push(state.path().display().to_string());
    }
}

/// What `install` has noted as made by it. What a package has made is the package's.
fn remove_what_install_made(account: &mut Account) {
    let made = fs::read_to_string(Layout::MADE).unwrap_or_default();
    for what in made.lines() {
        match what {
            "user ece-agent" => {
                let removed = remove_service_user().map_err(io::Error::other);
                account.note("the user ece-agent", removed.map(|()| true));
            }
            Layout::BINARY | Layout::UNIT | Layout::DROP_IN | CONFIG_FILE => {
                account.file(Path::new(what));
            }
            _ => account.problems.push(format!("{what} is not something that install makes")),
        }
    }
    let _has_other_drop_ins = fs::remove_dir(Layout::DROP_IN_DIR);
    account.file(Path::new(Layout::MADE));
    let _has_other_files = fs::remove_dir(Layout::CONFIG_DIR);
    let _ = systemctl(["daemon-reload"]);
}

fn tell(output: Output, account: &Account, left: Option<bool>) {
    if output.is_json() {
        let event = json!({
            "left_cluster": left,
            "removed": account.removed,
            "problems": account.problems,
        });
        return output.event("done", event);
    }
    if left == Some(true) {
        output.note("left the cluster");
    }
    for what in &account.removed {
        output.note(&format!("removed {what}"));
    }
    for problem in &account.problems {
        output.note(&format!("warning: {problem}"));
    }
    if account.removed.is_empty() && account.problems.is_empty() {
        output.note("nothing is installed here");
    }
}
