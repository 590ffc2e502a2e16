//! The state directory that a verb is called with, or would be.

use std::path::PathBuf;

use super::{
    answering::{LONGEST, state_answers},
    shell::shell_word,
};
use crate::{
    config::{StateDir, default_state_dir},
    host::{process::is_root, service::is_service_user},
    model::Failure,
};

/// Which installation a verb is about.
#[derive(clap::Args, Clone)]
pub struct StateDirArgument {
    /// Where the host keeps who it is [default: /var/lib/ece-agent for root and the service's
    /// user, ~/.local/state/ece-agent for others]
    #[arg(long, env = "ECE_AGENT_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl StateDirArgument {
    pub fn is_given(&self) -> bool {
        self.state_dir.is_some()
    }

    pub fn state_dir(self) -> StateDir {
        StateDir::new(self.state_dir.unwrap_or_else(own_state_dir))
    }

    /// The directory, if its file system answers.
    pub fn answering(self) -> Result<StateDir, Failure> {
        let state = self.state_dir();
        state_answers(&state, LONGEST).map(|()| state)
    }
}

/// What makes a verb be about the host of this state directory, with a blank before it: nothing where
/// it is that anyway.
pub fn state_dir_flag(state: &StateDir) -> String {
    match state.path() == own_state_dir() {
        true => String::new(),
        false => format!(" --state-dir {}", shell_word(&state.path().to_string_lossy())),
    }
}

pub fn own_state_dir() -> PathBuf {
    default_state_dir(is_root() || is_service_user())
}
