//! What the privileged steps of an installation make, and how they tell of it.

use std::{fs, io, path::Path};

use crate::{
    agent::{Progress, Step},
    cli::service_layout::ServiceLayout,
    cluster::seal::MasterKey,
    host::tree::{Owner, make_dir},
    model::{Code, Failure, Secret},
    rt::files,
    wire::hosts::SecretText,
};

pub(super) fn not_made(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        let message = format!("{}: {error}", path.as_ref().display());
        Failure::new(Code::StateNotWritable, message)
    }
}

/// Notes that this was made by `install`, so that `uninstall` removes it.
pub(super) fn note_made(what: &str) -> Result<(), Failure> {
    let path = Path::new(ServiceLayout::MADE);
    let mut made = fs::read_to_string(path).unwrap_or_default();
    if made.lines().any(|line| line == what) {
        return Ok(());
    }
    made.push_str(what);
    made.push('\n');
    make_dir(ServiceLayout::CONFIG_DIR.as_ref(), Owner::ROOT, 0o755)
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

/// Root's key for the plan of a cluster, made anew unless an installation was interrupted.
pub(super) fn plan_key() -> Result<SecretText, Failure> {
    const LONGEST: u64 = 1024;
    let path = Path::new(ServiceLayout::PLAN_KEY);
    note_made(ServiceLayout::PLAN_KEY)?;
    MasterKey::load_or_create(path).map_err(io::Error::other).map_err(not_made(path))?;
    let text = files::read_own(path, LONGEST).map_err(io::Error::other).map_err(not_made(path))?;
    let text = String::from_utf8(text.unwrap_or_default()).map_err(io::Error::other);
    Ok(SecretText(Secret::new(text.map_err(not_made(path))?)))
}

/// Once the cluster is made it is good for nothing.
pub(super) fn forget_plan_key() -> Result<(), Failure> {
    let path = Path::new(ServiceLayout::PLAN_KEY);
    files::remove(path).map_err(not_made(path))
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
