//! Installing as root: the steps that need privileges, around a child that is the service user
//! and does the rest. Each can be repeated.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant as StdInstant},
};

use tokio::time::Instant;

use super::{
    Installation,
    directories::place_directories,
    member::{Installed, secrets_file_of},
};
use crate::{
    agent::{Progress, Step, load_identity},
    cli::{
        event::{Event, StepEvent},
        progress::Reporter,
        service_child::ServiceChild,
        storage::{self, Found},
    },
    config::{Difference, HostSettings, Purpose, StateDir},
    daemon::StateLock,
    host::{
        service::{
            CommandError, LONGEST_STOP, invoking_user, is_packaged, make_service_user,
            service_user, stop_service, systemctl, unit_log, unit_state,
        },
        tree::{Owner, hand_over, make_dir},
        view::StorageView,
    },
    model::{Code, Exit, Failure, StorageLayout},
    rt::{Clock, files},
    token::{LocalRefusal, UnverifiedToken},
};

const UNIT_TEXT: &str = include_str!("../../../systemd/ece-agent.service");

/// What the child is called with.
pub const MEMBER_VERB: &str = "become-member";

/// How much longer the child is waited for than it may take.
const CHILD_MARGIN: Duration = Duration::from_secs(10);

/// How much of the unit's log a failure quotes.
const QUOTED_LINES: usize = 5;

/// Where a host that is a service has what.
pub struct Layout;

impl Layout {
    pub const BINARY: &str = "/usr/bin/ece-agent";
    pub const CONFIG_DIR: &str = "/etc/ece-agent";
    pub const UNIT: &str = "/etc/systemd/system/ece-agent.service";
    pub const DROP_IN_DIR: &str = "/etc/systemd/system/ece-agent.service.d";
    pub const DROP_IN: &str = "/etc/systemd/system/ece-agent.service.d/50-storage.conf";
    /// What `install` has made outside of the state directory, a line each.
    pub const MADE: &str = "/etc/ece-agent/made-by-install";
    const PACKAGED_UNITS: [&str; 2] =
        ["/usr/lib/systemd/system/ece-agent.service", "/lib/systemd/system/ece-agent.service"];

    pub fn has_packaged_unit() -> bool {
        Self::PACKAGED_UNITS.iter().any(|unit| Path::new(unit).exists())
    }
}

pub fn service_failed(error: &CommandError) -> Failure {
    Failure::in_lines(Code::ServiceFailed, &error.to_string())
}

pub(super) fn not_made(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        let message = format!("{}: {error}", path.as_ref().display());
        Failure::new(Code::StateNotWritable, message)
    }
}

/// Notes that this was made by `install`, so that `uninstall` removes it.
fn note_made(what: &str) -> Result<(), Failure> {
    let path = Path::new(Layout::MADE);
    let mut made = fs::read_to_string(path).unwrap_or_default();
    if made.lines().any(|line| line == what) {
        return Ok(());
    }
    made.push_str(what);
    made.push('\n');
    make_dir(Layout::CONFIG_DIR.as_ref(), Owner::ROOT, 0o755)
        .and_then(|()| files::write_private(path, made.as_bytes()))
        .map_err(not_made(path))
}

/// Whether something has changed.
pub(super) fn write_public(path: &str, text: &str) -> Result<bool, Failure> {
    note_made(path)?;
    let changed = fs::read(path).map_or(true, |found| found != text.as_bytes());
    files::write_public(path.as_ref(), text.as_bytes()).map_err(not_made(path))?;
    Ok(changed)
}

impl Installation<'_> {
    pub(super) async fn install_service(
        &self,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        self.check_token()?;
        let found = storage::look(&self.options)?;
        step(reporter, Step::Binary, place_binary)?;
        let user = step(reporter, Step::User, place_user)?;
        let before = self.identity_that_stays()?;
        let place = || place_directories(&self.options, user, &found);
        step(reporter, Step::Directories, place)?;
        self.log.begin()?;
        let progress = self.log.beside(reporter);
        let given = match &before {
            Some(identity) => self.drift(identity, None, &progress).await,
            None => self.unlike_config_file(),
        };
        if let Some(identity) = &before {
            self.check_same(identity)?;
        }
        let stopped = stop_silent_service(&self.options.state_dir)?;
        let made = self.make_service(user, &found, &given, &progress);
        let installed = match made {
            // It did its work before, though it did not answer.
            Err(failure) if stopped => {
                let again = start_service().err().map(|failure| failure.to_string());
                return Err(again.into_iter().fold(failure, |all, other| all.adding(&other)));
            }
            made => made?,
        };
        step(reporter, Step::Daemon, start_service)?;
        self.wait_and_finish(&installed, reporter, deadline, failed_unit()).await
    }

    /// All but the daemon.
    fn make_service(
        &self,
        user: Owner,
        found: &Found,
        given: &[Difference],
        progress: &dyn Progress,
    ) -> Result<Installed, Failure> {
        let installed = self.member_as(user, progress)?;
        self.place_config(&installed.identity, given, progress)?;
        let joined_now = !installed.already && matches!(self.options.purpose, Purpose::Join(_));
        self.note_cluster(&installed.identity, found.is_fresh || joined_now)?;
        place_unit(&self.options.settings, progress)?;
        Ok(installed)
    }

    /// What is wrong with the token is said before anything is made.
    pub(super) fn check_token(&self) -> Result<(), Failure> {
        let Purpose::Join(join) = &self.options.purpose else { return Ok(()) };
        let token = UnverifiedToken::parse(join.token.0.expose())?;
        match token.check_locally(&join.roles, Clock::system().now()) {
            // The answer of an earlier attempt may be waiting.
            Ok(()) | Err(LocalRefusal::Expired { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets a child that is the service user make the host a member.
    fn member_as(&self, user: Owner, progress: &dyn Progress) -> Result<Installed, Failure> {
        let internal = |error: io::Error| {
            let message = format!("the child that makes the host a member: {error}");
            Failure::new(Code::ServiceFailed, message)
        };
        let storage = self.options.settings.storage_path.as_os_str();
        let arguments =
            [MEMBER_VERB.as_ref(), "--json".as_ref(), "--storage-path".as_ref(), storage];
        let options = zeroize::Zeroizing::new(
            serde_json::to_vec(&self.options).expect("options are plain data"),
        );
        // It ends by itself before that.
        let longest = self.options.timeout + self.options.wait_for_coordinator + CHILD_MARGIN;
        let child = ServiceChild::start(user, &arguments, options, longest).map_err(internal)?;
        let mut secrets_file = None;
        let mut already = false;
        let mut failure = None;
        while let Some(event) = child.next_event().map_err(internal)? {
            match event {
                Event::Step(StepEvent::Started { step }) => progress.started(step),
                Event::Step(StepEvent::Finished { step, result, .. }) => {
                    progress.finished(step, &result);
                }
                Event::Warning(told) => progress.warning(&told.untrusted()),
                Event::Waiting { reason, .. } => progress.waiting(&reason.untrusted()),
                Event::Failed(told) => failure = Some(told.untrusted()),
                // Where they are is known here; whether there are any is the child's to say.
                Event::Member { secrets_file: there, already: before } => {
                    secrets_file = there.map(|_| secrets_file_of(&self.options));
                    already = before;
                }
                Event::Left => {}
            }
        }
        let status = child.end().map_err(internal)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if !status.success() {
            return Err(internal(io::Error::other(status.to_string())));
        }
        if self.options.purpose.is_first_host() {
            let dir = StorageLayout::of(&self.options.settings.storage_path).secrets();
            if dir.exists() {
                hand_over(&dir, StorageLayout::SECRETS_FILE, user, invoking_user())
                    .map_err(not_made(&dir))?;
            }
        }
        let identity = load_identity(&self.options.state_dir)?
            .ok_or_else(|| internal(io::Error::other("it left no identity behind")))?;
        Ok(Installed { identity, secrets_file, already })
    }
}

/// A step that needs privileges.
pub(super) fn step<T: Told>(
    progress: &dyn Progress,
    step: Step,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    progress.started(step);
    let result = work()?;
    progress.finished(step, &result.told());
    Ok(result)
}

/// The result of a step, in words.
pub(super) trait Told {
    fn told(&self) -> String;
}

impl Told for String {
    fn told(&self) -> String {
        self.clone()
    }
}

impl Told for Owner {
    fn told(&self) -> String {
        format!("ece-agent, uid {}", self.uid)
    }
}

/// Puts this program where the unit looks for it, unless a package has done so.
fn place_binary() -> Result<String, Failure> {
    let target = Path::new(Layout::BINARY);
    let own = std::env::current_exe().map_err(not_made(target))?;
    if own == target || fs::canonicalize(target).is_ok_and(|target| target == own) {
        return Ok(Layout::BINARY.into());
    }
    if is_packaged(target) {
        return Ok(format!("{}, of its Debian package", Layout::BINARY));
    }
    if fs::read(&own).is_ok_and(|new| fs::read(target).is_ok_and(|old| old == new)) {
        return Ok(format!("{}, as it was", Layout::BINARY));
    }
    note_made(Layout::BINARY)?;
    copy_binary(&own, target).map_err(not_made(target))?;
    Ok(format!("{} copied to {}", own.display(), Layout::BINARY))
}

/// Replaces `target`, also while it runs; the file is whole at any moment.
pub fn copy_binary(from: &Path, target: &Path) -> io::Result<()> {
    let beside = target.with_file_name(".ece-agent.new");
    let _ = fs::remove_file(&beside);
    fs::copy(from, &beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, target)
}

pub(super) fn place_user() -> Result<Owner, Failure> {
    let find = || {
        service_user().map_err(|error| Failure::in_lines(Code::ServiceFailed, &error.to_string()))
    };
    if let Some(user) = find()? {
        return Ok(user);
    }
    note_made("user ece-agent")?;
    make_service_user().map_err(|error| service_failed(&error))?;
    find()?.ok_or_else(|| Failure::new(Code::ServiceFailed, "the user ece-agent is not there"))
}

/// Whether something has changed.
pub(super) fn place_unit(
    settings: &HostSettings,
    progress: &dyn Progress,
) -> Result<bool, Failure> {
    progress.started(Step::Unit);
    let (unit, mut changed) = match Layout::has_packaged_unit() {
        true => ("the package's", false),
        false => (Layout::UNIT, write_public(Layout::UNIT, UNIT_TEXT)?),
    };
    match StorageView::of(&settings.storage_path).drop_in() {
        Some(text) => {
            fs::create_dir_all(Layout::DROP_IN_DIR).map_err(not_made(Layout::DROP_IN_DIR))?;
            changed |= write_public(Layout::DROP_IN, &text)?;
        }
        None => {
            changed |= Path::new(Layout::DROP_IN).exists();
            files::remove(Layout::DROP_IN.as_ref()).map_err(not_made(Layout::DROP_IN))?;
        }
    }
    systemctl(["daemon-reload"]).map_err(|error| service_failed(&error))?;
    progress.finished(Step::Unit, unit);
    Ok(changed)
}

/// Beside a service that runs, and does not answer as one, nothing can be done. Whether one was
/// stopped.
fn stop_silent_service(state: &StateDir) -> Result<bool, Failure> {
    let is_silent = unit_state() == "active" && StateLock::must_be_free(state).is_err();
    if is_silent {
        stop_service(LONGEST_STOP).map_err(|error| service_failed(&error))?;
    }
    Ok(is_silent)
}

fn start_service() -> Result<String, Failure> {
    let with_log = |error: CommandError| {
        let message = format!("{error}\n  {}", unit_log(QUOTED_LINES).replace('\n', "\n  "));
        Failure::in_lines(Code::ServiceFailed, &message)
    };
    systemctl(["--quiet", "enable", "ece-agent"]).map_err(with_log)?;
    // Whatever made it fail before does not count any more.
    let _ = systemctl(["reset-failed", "ece-agent"]);
    systemctl(["start", "ece-agent"]).map_err(with_log)?;
    Ok("the service ece-agent".into())
}

/// Why the service is gone, if it is; asked about once a second.
fn failed_unit() -> impl FnMut() -> Option<Failure> {
    let mut asked = StdInstant::now();
    move || {
        if asked.elapsed() < Duration::from_secs(1) {
            return None;
        }
        asked = StdInstant::now();
        (unit_state() == "failed").then(|| {
            let log = unit_log(QUOTED_LINES).replace('\n', "\n  ");
            let message = format!("the service ece-agent has failed; its log ends with\n  {log}");
            Failure::in_lines(Code::ServiceFailed, &message)
        })
    }
}
