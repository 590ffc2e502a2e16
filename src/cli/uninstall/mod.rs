//! Leaving the cluster, and taking away what `install` has made: nothing that another installation
//! uses, and nothing that was there before.

mod account;
mod service;
mod storage;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    StateDirArgument,
    answering::{LONGEST, Watched, storage_answers},
    known_host::{
        Known, installed_by_root, known_host, must_be_own_or_the_services, other_owner,
        storage_in_host_file,
    },
    leave::{leave, leave_as_service_user},
    output::Output,
    run_to_end,
    service_layout::{ServiceLayout, runs_as_service},
    shell_word,
    stop::stop_daemon,
    storage::{ClaimState, claim_of},
    wait::running,
};
use crate::{
    agent::{AgentState, Identity, Journal, Phase, StorageMarker, instances_in, load_identity},
    config::{StateDir, default_state_dir},
    host::{process::is_root, tree::remove_whatever},
    model::{Code, Exit, Failure, StorageLayout},
    rt::{FileLock, LockHeld},
};
use account::{Account, Cluster, missing_is_fine, still_there};
use service::Service;
use storage::Storage;

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

pub fn uninstall(arguments: UninstallArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.answering()?;
    let mut _watched = Watched::state(&state);
    must_be_own_or_the_services(&state)?;
    let _lock = UninstallLock::take(&state)?;
    // What cannot be read cannot be left properly either, and must not keep it from going.
    let (identity, known) = match (load_identity(&state), known_host(&state)) {
        (identity, known) if arguments.force => {
            (identity.ok().flatten(), known.unwrap_or(Known::NotInstalled))
        }
        (identity, known) => (identity?, known?),
    };
    let service = runs_as_service(&state).then(|| Service::of(&state));
    let is_made = service.is_some() && PathBuf::from(ServiceLayout::MADE).exists();
    if still_there(files(&state)).is_empty() && !is_made {
        return Err(nothing_here(&state));
    }
    let is_installed = identity.is_some() || matches!(known, Known::Host(_));
    let mut path = match is_installed {
        true => known.storage_path()?,
        false => storage_begun(&state),
    };
    if let Some(path) = &path {
        storage_answers(path, LONGEST)?;
        _watched = Watched::state_and_storage(&state, path);
    }
    path = path.filter(|path| is_installed || is_ours(path, &state));
    // Root believes its own file alone; what the service user says can only ask for more care.
    let first_host = known.host().is_some_and(|host| host.first_host);
    let says_first = identity.as_ref().is_some_and(|identity| identity.first_host);
    let storage = match &path {
        Some(path) => Some(Storage {
            path,
            claim: claim_of(path, &state)?,
            missing: StorageMarker::of(&state, path).must_be_there().err(),
            first_host,
        }),
        None => None,
    };
    if let Some(storage) = storage.as_ref().filter(|_| !arguments.force) {
        check_losses(storage, first_host || says_first)?;
    }
    let is_copy = is_kept_apart(&state);
    let mut account = Account::default();
    let stopped = match &service {
        Some(service) => service.stop(&mut account),
        None => true,
    };
    match run_to_end(stop_daemon(&state)) {
        // Its processes are gone, whatever its socket and its lock say.
        Err(_) if service.is_some() && stopped => {}
        done => drop(done?),
    }
    let cluster = match is_copy {
        true => Cluster::OfAnother,
        false if !is_installed && !may_be_known(&state) => Cluster::NoneYet,
        false => leave_cluster(identity.as_ref(), first_host, &state),
    };
    if let Some(storage) = &storage {
        storage.remove(&mut account);
    }
    remove_state(&state, &mut account);
    if let Some(service) = &service {
        service.remove(path.as_deref(), &mut account);
    }
    name_program_of_join_script(&mut account);
    account.tell(output, &cluster);
    Ok(account.exit())
}

fn nothing_here(state: &StateDir) -> Failure {
    if let Some(failure) = installed_by_root(state) {
        return failure;
    }
    let dir = state.path().display();
    let message = format!("no host is installed in {dir}: there is nothing to uninstall");
    Failure::new(Code::InstallNotDone, message).with_fix(
        "Nothing is left to be done; if another host was meant, name its directory with --state-dir.",
    )
}

/// One of them at a time. The lock is beside the state directory, which goes; what is the service's
/// has one where only root may write.
struct UninstallLock {
    path: PathBuf,
    _held: FileLock,
}

impl UninstallLock {
    fn take(state: &StateDir) -> Result<Option<Self>, Failure> {
        let is_services = is_root() && state.path() == default_state_dir(true);
        let path = match (is_services, state.path().parent(), state.path().file_name()) {
            (true, ..) => PathBuf::from("/run/ece-agent-uninstall.lock"),
            (false, Some(parent), Some(name)) => {
                parent.join(format!(".{}.uninstall", name.to_string_lossy()))
            }
            _ => return Ok(None),
        };
        match FileLock::take(&path) {
            Ok(held) => Ok(Some(Self { path, _held: held })),
            Err(LockHeld::ByAnother) => {
                let message = "another 'ece-agent uninstall' is under way";
                Err(Failure::new(Code::StateInUse, message)
                    .with_fix("Wait for it to end, then look with 'ece-agent status'."))
            }
            // Where no lock can be made, nothing else is kept from being removed.
            Err(LockHeld::Io(_)) => Ok(None),
        }
    }
}

impl Drop for UninstallLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn check_losses(storage: &Storage<'_>, first_host: bool) -> Result<(), Failure> {
    if let Some(missing) = &storage.missing {
        return Err(missing.clone());
    }
    let instances = StorageLayout::of(storage.path).instances();
    let counted = match storage.claim {
        ClaimState::Anothers(_) => Ok(0),
        ClaimState::Ours(_) | ClaimState::None => instances_in(&instances),
    };
    let count = match counted {
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => {
            let dir = instances.display();
            let message =
                format!("whether instances keep their data in {dir} is not known: {error}");
            return Err(Failure::new(Code::UninstallInstances, message));
        }
    };
    if count > 0 {
        let who = match count {
            1 => "1 instance keeps its".into(),
            more => format!("{more} instances keep their"),
        };
        let message = format!("{who} data in {}", instances.display());
        return Err(Failure::new(Code::UninstallInstances, message));
    }
    if first_host {
        let message = "this is the first host of its cluster";
        return Err(Failure::new(Code::UninstallFirstHost, message));
    }
    Ok(())
}

fn leave_cluster(identity: Option<&Identity>, first_host: bool, state: &StateDir) -> Cluster {
    if first_host {
        return Cluster::Ended;
    }
    let Some(identity) = identity else {
        let reason = "who the host was cannot be read here; 'ece-agent host list' shows it there";
        return Cluster::NotTold(reason.into());
    };
    let left = match other_owner(state) {
        Some(_) => leave_as_service_user(state),
        None => run_to_end(leave(identity, state)),
    };
    match left {
        Ok(()) => Cluster::Told,
        Err(failure) if failure.is(Code::HostCloned) => Cluster::OfAnother,
        // What the service user has written is not for an administrator to copy.
        Err(failure) if other_owner(state).is_some() => Cluster::NotTold(format!(
            "{failure}; delete the host there, which 'ece-agent host list' shows"
        )),
        Err(failure) => Cluster::NotTold(format!(
            "{failure}; delete the host there: ece-agent host delete {}",
            identity.runner_id
        )),
    }
}

/// Whether the daemon is refused as a copy of a host that is connected.
fn is_kept_apart(state: &StateDir) -> bool {
    let status = run_to_end(running(state)).ok().flatten();
    let problem = status.filter(|it| it.state == AgentState::Refused).and_then(|it| it.problem);
    problem.is_some_and(|problem| problem.code == Code::HostCloned.name())
}

/// The host storage path of an installation that has not come to a host. Root does not go where
/// somebody else says.
fn storage_begun(state: &StateDir) -> Option<PathBuf> {
    let noted = match other_owner(state) {
        None => Journal::load(state).ok().flatten().and_then(|journal| journal.storage_path),
        Some(_) => None,
    };
    noted.or_else(|| storage_in_host_file().ok())
}

fn is_ours(storage: &Path, state: &StateDir) -> bool {
    matches!(claim_of(storage, state), Ok(ClaimState::Ours(_)))
}

/// Whether the cluster may know a host of which there is no identity here.
fn may_be_known(state: &StateDir) -> bool {
    let is_damaged = !still_there([state.identity(), state.damaged_identity()]).is_empty();
    is_damaged
        || match Journal::load(state) {
            Ok(Some(journal)) => journal.phase >= Phase::EnrolmentSent,
            Ok(None) => !still_there([state.journal()]).is_empty(),
            Err(_) => true,
        }
}

/// The script that a coordinator serves puts the program there where 'install' does not.
fn name_program_of_join_script(account: &mut Account) {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/bin"));
    let places = [Some(PathBuf::from("/usr/local/bin")), home].into_iter().flatten();
    for program in still_there(places.map(|place| place.join("ece-agent"))) {
        let shown = shell_word(&program.to_string_lossy());
        account
            .left(&program, &format!("the program that was joined with; 'rm {shown}' removes it"));
    }
}

/// What the host keeps, beside what a coordinator has.
fn files(state: &StateDir) -> [PathBuf; 12] {
    [
        state.identity(),
        state.damaged_identity(),
        state.key(),
        state.damaged_key(),
        state.journal(),
        state.desired(),
        state.facts(),
        state.storage_note(),
        state.log(),
        state.earlier_log(),
        state.lock(),
        state.path().join(state.socket_name()),
    ]
}

fn remove_state(state: &StateDir, account: &mut Account) {
    let before = account.problems();
    let there = still_there(files(state));
    for file in &there {
        if let Err(error) = missing_is_fine(fs::remove_file(file)) {
            account.problem(format!("{} was not removed: {error}", file.display()));
        }
    }
    let dir = state.coordinator();
    if let Err(error) = remove_whatever(&dir) {
        account.problem(format!("{} was not removed: {error}", dir.display()));
    }
    match fs::remove_dir(state.path()) {
        Ok(()) => account.note(state.path().display().to_string(), Ok(true)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => {
            if !there.is_empty() && account.problems() == before {
                account.note(format!("the host's files in {}", state.path().display()), Ok(true));
            }
            account.left(state.path(), "it is a mount point, or holds what install has not made");
        }
    }
}
