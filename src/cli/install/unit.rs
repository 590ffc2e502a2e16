//! The service itself: its program, its user, its unit, and whether it runs.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use super::made::{not_made, note_made, write_public};
use crate::{
    agent::{Progress, Step},
    cli::service_layout::{
        ServiceLayout, or_in_use, service_failed, service_has_failed, with_unit_log,
    },
    config::{HostSettings, StateDir},
    host::{
        service::{
            CommandError, LONGEST_STOP, is_packaged, make_service_user, service_user, stop_service,
            systemctl, unit_state,
        },
        tree::Owner,
        view::StorageView,
    },
    model::{Code, Failure},
    rt::files,
};

const UNIT_TEXT: &str = include_str!("../../../systemd/ece-agent.service");

/// Puts this program where the unit looks for it, unless a package has done so.
pub(super) fn place_binary() -> Result<String, Failure> {
    let target = Path::new(ServiceLayout::BINARY);
    let own = std::env::current_exe().map_err(not_made(target))?;
    if own == target || fs::canonicalize(target).is_ok_and(|target| target == own) {
        return Ok(ServiceLayout::BINARY.into());
    }
    if is_packaged(target) {
        return Ok(format!("{}, of its Debian package", ServiceLayout::BINARY));
    }
    if fs::read(&own).is_ok_and(|new| fs::read(target).is_ok_and(|old| old == new)) {
        return Ok(format!("{}, as it was", ServiceLayout::BINARY));
    }
    note_made(ServiceLayout::BINARY)?;
    copy_binary(&own, target).map_err(not_made(target))?;
    Ok(format!("{} copied to {}", own.display(), ServiceLayout::BINARY))
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
    let (unit, mut changed) = match ServiceLayout::has_packaged_unit() {
        true => ("the package's", false),
        false => (ServiceLayout::UNIT, write_public(ServiceLayout::UNIT, UNIT_TEXT)?),
    };
    match StorageView::of(&settings.storage_path).drop_in() {
        Some(text) => {
            fs::create_dir_all(ServiceLayout::DROP_IN_DIR)
                .map_err(not_made(ServiceLayout::DROP_IN_DIR))?;
            changed |= write_public(ServiceLayout::DROP_IN, &text)?;
        }
        None => {
            changed |= Path::new(ServiceLayout::DROP_IN).exists();
            files::remove(ServiceLayout::DROP_IN.as_ref())
                .map_err(not_made(ServiceLayout::DROP_IN))?;
        }
    }
    systemctl(["daemon-reload"]).map_err(|error| service_failed(&error))?;
    progress.finished(Step::Unit, unit);
    Ok(changed)
}

/// Beside a service that runs, and does not answer as one, nothing can be done: it may hold what was
/// in the state directory before. Whether one was stopped.
pub(super) fn stop_silent_service() -> Result<bool, Failure> {
    let is_silent = unit_state() == "active";
    if is_silent {
        stop_service(LONGEST_STOP).map_err(|error| service_failed(&error))?;
    }
    Ok(is_silent)
}

pub(super) fn start_service(state: &StateDir) -> Result<String, Failure> {
    let with_log = |error: CommandError| {
        let message = with_unit_log(&error.to_string());
        or_in_use(state, Failure::in_lines(Code::ServiceFailed, &message))
    };
    systemctl(["--quiet", "enable", "ece-agent"]).map_err(with_log)?;
    // Whatever made it fail before does not count any more.
    let _ = systemctl(["reset-failed", "ece-agent"]);
    systemctl(["start", "ece-agent"]).map_err(with_log)?;
    Ok("the service ece-agent".into())
}

/// Why the service is gone, if it is; asked about once a second.
pub(super) fn failed_unit() -> impl FnMut() -> Option<Failure> {
    let mut asked = Instant::now();
    move || {
        if asked.elapsed() < Duration::from_secs(1) {
            return None;
        }
        asked = Instant::now();
        (unit_state() == "failed").then(service_has_failed)
    }
}
