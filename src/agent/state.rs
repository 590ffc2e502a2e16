//! The state directory, and what is said of it when it is not as it should be.

use std::{io, path::Path};

use crate::{
    config::StateDir,
    model::{Code, Failure, SERVICE_STATE_DIR},
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

fn is_the_services(path: &Path) -> bool {
    path.starts_with(SERVICE_STATE_DIR)
}

/// What makes a file of another user in a directory of one's own be of use.
pub fn give_back(path: &Path) -> String {
    if is_the_services(path) {
        return "Run 'ece-agent install' as root, which gives the service what root has put there."
            .into();
    }
    let (path, dir) = (path.display(), path.parent().unwrap_or(path).display());
    format!("Run 'chown --no-dereference --reference={dir} {path}', then repeat the command.")
}

/// A command about a file in the state directory. As root it would be led elsewhere by whoever is
/// the service's user.
pub fn as_its_user(command: &str, path: &Path) -> String {
    let user = if is_the_services(path) { "runuser -u ece-agent -- " } else { "" };
    format!("{user}{command} {}", path.display())
}

/// What only root, or another user, may look at.
pub fn not_permitted(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::PrivilegesMissing, format!("{what}: {error}")).with_fix(
        "Repeat the command with sudo, or as the user that the state directory belongs to.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_do_something_as_root_by_path_where_the_service_can_put_a_link() {
        let services = Path::new(SERVICE_STATE_DIR).join("identity.json");
        assert!(as_its_user("rm", &services).starts_with("runuser -u ece-agent -- rm /"));
        assert!(!give_back(&services).contains("chown"));
        let own = Path::new("/home/bob/state/identity.json");
        assert_eq!(as_its_user("rm", own), "rm /home/bob/state/identity.json");
        assert!(
            give_back(own).contains("chown --no-dereference --reference=/home/bob/state /home")
        );
    }
}
