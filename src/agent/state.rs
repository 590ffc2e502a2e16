//! The state directory, and what is said of it when it is not as it should be.

use std::{io, path::Path};

use crate::{
    config::StateDir,
    model::{Code, Failure},
    rt::{files, why_not},
};

/// Makes the state directory, private to its owner.
pub fn prepare_state_dir(state: &StateDir) -> Result<(), Failure> {
    files::create_private_dir(state.path()).map_err(|error| not_writable(state.path(), error))
}

pub fn not_writable(path: &Path, error: io::Error) -> Failure {
    let reason = why_not(path, &error);
    Failure::new(Code::StateNotWritable, format!("{}: {reason}", path.display()))
}

/// What makes a file of another user in a directory of one's own be of use.
pub fn give_back(path: &Path) -> String {
    let (path, dir) = (path.display(), path.parent().unwrap_or(path).display());
    format!("Run 'chown --reference={dir} {path}', then repeat the command.")
}

/// What only root, or another user, may look at.
pub fn not_permitted(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::PrivilegesMissing, format!("{what}: {error}")).with_fix(
        "Repeat the command with sudo, or as the user that the state directory belongs to.",
    )
}
