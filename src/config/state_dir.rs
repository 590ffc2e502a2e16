use std::{
    env,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::model::SERVICE_STATE_DIR;

/// The directory in which a host keeps who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateDir(PathBuf);

/// `/var/lib/ece-agent` for root and for the user of the service, `~/.local/state/ece-agent` for
/// others.
pub fn default_state_dir(of_service: bool) -> PathBuf {
    let of_user = || {
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        state.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/state")))
    };
    match of_user() {
        Some(dir) if !of_service => dir.join("ece-agent"),
        _ => PathBuf::from(SERVICE_STATE_DIR),
    }
}

impl StateDir {
    /// What only a coordinator has, as [`CoordinatorLayout`] has it.
    pub const COORDINATOR: &str = "coordinator";

    /// A relative path counts from where this process is now.
    pub fn new(path: PathBuf) -> Self {
        Self(std::path::absolute(&path).unwrap_or(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Who the host is; there once it is installed.
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity.json")
    }

    /// Where a damaged identity is kept when the host has a new one.
    pub fn damaged_identity(&self) -> PathBuf {
        self.0.join("identity.json.damaged")
    }

    pub fn damaged_key(&self) -> PathBuf {
        self.0.join("host.key.damaged")
    }

    pub fn key(&self) -> PathBuf {
        self.0.join("host.key")
    }

    /// How far `install` got.
    pub fn journal(&self) -> PathBuf {
        self.0.join("install.json")
    }

    /// The state that the coordinator last asked for.
    pub fn desired(&self) -> PathBuf {
        self.0.join("desired.json")
    }

    /// What was last read of the machine.
    pub fn facts(&self) -> PathBuf {
        self.0.join("facts.json")
    }

    /// Which storage path the host has had, and its marker.
    pub fn storage_note(&self) -> PathBuf {
        self.0.join("storage.json")
    }

    /// Held by the process that works on this directory.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Where a daemon in the background logs.
    pub fn log(&self) -> PathBuf {
        self.0.join("agent.log")
    }

    /// What was in the log before it began anew.
    pub fn earlier_log(&self) -> PathBuf {
        self.0.join("agent.log.1")
    }

    pub fn coordinator(&self) -> PathBuf {
        self.0.join(Self::COORDINATOR)
    }

    /// The name, in this directory, of the socket on which the daemon answers.
    pub fn socket_name(&self) -> &'static str {
        "agent.sock"
    }
}
