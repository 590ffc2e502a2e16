use std::{io, path::Path};

use super::{Context, Outcome, Severity};
use crate::{
    host::process::is_root,
    model::{Code, Failure, StorageLayout},
    rt::{closed_dir, files, may_write_in, why_not},
};

/// Why the instances' directory is of no use, found by somebody other than who makes the checks.
#[derive(Debug, Clone)]
pub struct Denied {
    pub failure: Failure,
    pub severity: Severity,
}

/// Makes the directory for instances if it is not there: whether that works is the check.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let dir = context.settings.storage().instances();
    let tried = match context.look_only {
        true => may_use(&dir),
        false => try_to_write(&dir).map_err(|error| unusable(&dir, &error)),
    };
    let denied = match (tried, &context.denied) {
        (Ok(()), None) => None,
        (Ok(()), Some(denied)) => Some(denied.clone()),
        (Err(failure), _) => Some(Denied { failure, severity: Severity::Error }),
    };
    let path = context.settings.storage_path.display();
    let Some(Denied { failure: mut cause, severity }) = denied else {
        let found = format!("the host storage path {path} can be written");
        return Some(Outcome::of(Code::StateNotWritable, Severity::Ok, found, ""));
    };
    let found = format!("the host storage path {path} cannot be written: {}", cause.message);
    cause.message.clone_from(&found);
    let outcome =
        Outcome::of(Code::StateNotWritable, severity, found, "").with_fix(cause.fix.clone());
    Some(Outcome { cause: Some(cause), ..outcome })
}

fn try_to_write(dir: &Path) -> io::Result<()> {
    let probe = dir.join(".ece-agent-probe");
    files::create_private_dir(dir)
        .and_then(|()| files::write_private(&probe, b""))
        .and_then(|()| files::remove(&probe))
}

/// Whether this process could keep data in `dir`; nothing is written.
pub fn may_use(dir: &Path) -> Result<(), Failure> {
    may_write_in(dir).map_err(|error| unusable(dir, &error))
}

/// What is wrong with a directory for data, and which one is in the way.
pub fn unusable(dir: &Path, error: &io::Error) -> Failure {
    let message = format!("{}: {}", dir.display(), why_not(dir, error));
    match closed_dir(dir) {
        Some(_) => Failure::new(Code::StorageClosed, message),
        None if !is_root() && dir.starts_with(StorageLayout::DEFAULT_PATH) => {
            Failure::new(Code::StateNotWritable, message).with_fix(
                "Without root name a place of your own: --host-storage-path ~/ece; or repeat the command with sudo.",
            )
        }
        None => Failure::new(Code::StateNotWritable, message),
    }
}
