use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    CONFIG_FILE, StateDirArgument,
    install::{Layout, runs_as_service},
    known_host::{CLUSTER_FILE, Known, known_host, must_be_own_or_the_services, other_owner},
    leave::{leave, leave_as_service_user},
    output::Output,
    run_to_end, secrets_file,
    stop::stop_daemon,
};
use crate::{
    agent::load_identity,
    config::StateDir,
    host::{
        open_dir::OpenDir,
        service::{remove_service_user, systemctl},
    },
    model::{Code, Exit, Failure},
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
    must_be_own_or_the_services(&state)?;
    // What cannot be read cannot be left properly either, and must not keep it from going.
    let (identity, known) = match (load_identity(&state), known_host(&state)) {
        (identity, known) if arguments.force => {
            (identity.ok().flatten(), known.unwrap_or(Known::NotInstalled))
        }
        (identity, known) => (identity?, known?),
    };
    let is_installed = identity.is_some() || matches!(known, Known::Host(_));
    let storage = if is_installed { known.storage_path()? } else { None };
    let says_first = identity.as_ref().is_some_and(|identity| identity.first_host);
    let first_host = known.host().is_some_and(|host| host.first_host) || says_first;
    let service = runs_as_service(&state);
    if let Some(storage) = storage.as_ref().filter(|_| !arguments.force) {
        check_losses(storage, first_host)?;
    }
    let mut account = Account::default();
    if service {
        // A unit that was never there is as good as stopped.
        let _ = systemctl(["--quiet", "disable", "--now", "ece-agent"]);
    }
    run_to_end(stop_daemon(&state))?;
    let left = match &identity {
        Some(_) if first_host => None,
        Some(_) if other_owner(&state).is_some() => Some(leave_as_service_user(&state)),
        Some(identity) => Some(run_to_end(leave(identity, &state))),
        None => None,
    };
    if let Some(Err(failure)) = &left {
        let runner = identity.as_ref().map_or("ID".into(), |it| it.runner_id.to_string());
        account.problems.push(format!(
            "the cluster was not told: {failure}; delete the host there: ece-agent host delete {runner}"
        ));
    }
    if let Some(storage) = &storage {
        remove_storage(storage, first_host, &mut account);
    }
    remove_state(&state, &mut account);
    if service {
        remove_what_install_made(&mut account);
    }
    tell(output, &account, left.map(|left| left.is_ok()));
    Ok(Exit::Success)
}

fn check_losses(storage: &Path, first_host: bool) -> Result<(), Failure> {
    let instances = storage.join("instances");
    let count = fs::read_dir(&instances).map_or(0, Iterator::count);
    if count > 0 {
        let message = format!("{count} instances keep their data in {}", instances.display());
        return Err(Failure::new(Code::UninstallInstances, message));
    }
    if first_host {
        let message = "this is the first host of its cluster";
        return Err(Failure::new(Code::UninstallFirstHost, message));
    }
    Ok(())
}

fn remove_storage(storage: &Path, first_host: bool, account: &mut Account) {
    match OpenDir::open(storage) {
        Ok(Some(dir)) => remove_below(storage, &dir, first_host, account),
        Ok(None) => return,
        Err(error) => return account.note(storage.display().to_string(), Err(error)),
    }
    // A mount point belongs to whoever has mounted it.
    if fs::remove_dir(storage).is_ok() {
        account.removed.push(storage.display().to_string());
    }
}

fn remove_below(path: &Path, storage: &OpenDir, first_host: bool, account: &mut Account) {
    account
        .note(path.join("instances").display().to_string(), storage.remove_empty_dir("instances"));
    if !first_host {
        return;
    }
    let mut remove_with_file = |below: &Path, dir: &OpenDir, name: &str, file: &str| {
        let found = match dir.dir(name) {
            Ok(found) => found,
            Err(error) => return account.note(below.join(name).display().to_string(), Err(error)),
        };
        if let Some(found) = found {
            let file_path = below.join(name).join(file);
            account.note(file_path.display().to_string(), found.remove_file(file));
            account.note(below.join(name).display().to_string(), dir.remove_empty_dir(name));
        }
    };
    remove_with_file(path, storage, secrets_file::DIR, secrets_file::NAME);
    match storage.dir("logs") {
        Ok(Some(logs)) => {
            remove_with_file(&path.join("logs"), &logs, "bootstrap-logs", "bootstrap.log");
            account.note(path.join("logs").display().to_string(), storage.remove_empty_dir("logs"));
        }
        Ok(None) => {}
        Err(error) => account.note(path.join("logs").display().to_string(), Err(error)),
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
            Layout::BINARY | Layout::UNIT | Layout::DROP_IN | CONFIG_FILE | CLUSTER_FILE => {
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
