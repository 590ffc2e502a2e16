use super::{Context, Finding};
use crate::{
    model::{Code, Failure},
    rt::files,
};

/// Makes the host storage path if it is not there: whether that works is the check.
pub(super) fn check(context: &Context<'_>) -> Option<Finding> {
    let path = &context.settings.storage_path;
    let probe = path.join(".ece-agent-probe");
    let tried = files::create_private_dir(path)
        .and_then(|()| files::write_private(&probe, b""))
        .and_then(|()| files::remove(&probe));
    let error = tried.err()?;
    let message = format!("the host storage path {} cannot be written: {error}", path.display());
    Some(Finding::error(Failure::new(Code::StateNotWritable, message)))
}
