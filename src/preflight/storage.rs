use super::{Context, Outcome, Severity, instances_dir};
use crate::{model::Code, rt::files};

/// Makes the directory for instances if it is not there: whether that works is the check.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    if context.look_only {
        return None;
    }
    let dir = instances_dir(context.settings);
    let probe = dir.join(".ece-agent-probe");
    let tried = files::create_private_dir(&dir)
        .and_then(|()| files::write_private(&probe, b""))
        .and_then(|()| files::remove(&probe));
    let path = context.settings.storage_path.display();
    let found = match &tried {
        Ok(()) => format!("the host storage path {path} can be written"),
        Err(error) => format!("the host storage path {path} cannot be written: {error}"),
    };
    Some(Outcome::judge(Code::StateNotWritable, tried.is_ok(), Severity::Error, found, ""))
}
