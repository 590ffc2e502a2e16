use std::path::{Path, PathBuf};

/// What stands where in a host storage path.
#[derive(Debug, Clone, Copy)]
pub struct StorageLayout<'a>(&'a Path);

impl<'a> StorageLayout<'a> {
    /// The host storage path of whoever names none; the unit that is shipped is made for it.
    pub const DEFAULT_PATH: &'static str = "/mnt/data/elastic";

    /// The directory in which instances keep their data: all of the storage path that the service
    /// sees.
    pub const INSTANCES: &'static str = "instances";
    /// Among the instances: by it a host knows its storage path again.
    pub const MARKER: &'static str = ".ece-agent-storage";
    /// In the storage path itself: whose it is, and what was made there.
    pub const CLAIM: &'static str = ".ece-agent.json";

    /// The directory that a first host has its secrets in.
    pub const SECRETS: &'static str = "bootstrap-state";
    pub const SECRETS_FILE: &'static str = "bootstrap-secrets.json";

    pub const LOGS: &'static str = "logs";
    /// Among the logs: those of setting up a first host.
    pub const BOOTSTRAP_LOGS: &'static str = "bootstrap-logs";
    pub const BOOTSTRAP_LOG: &'static str = "bootstrap.log";
    /// What earlier runs have said, the oldest first.
    pub const EARLIER_BOOTSTRAP_LOG: &'static str = "bootstrap.log.1";

    pub fn of(storage: &'a Path) -> Self {
        Self(storage)
    }

    pub fn instances(self) -> PathBuf {
        self.0.join(Self::INSTANCES)
    }

    pub fn marker(self) -> PathBuf {
        self.instances().join(Self::MARKER)
    }

    pub fn claim(self) -> PathBuf {
        self.0.join(Self::CLAIM)
    }

    pub fn secrets(self) -> PathBuf {
        self.0.join(Self::SECRETS)
    }

    pub fn secrets_file(self) -> PathBuf {
        self.secrets().join(Self::SECRETS_FILE)
    }

    pub fn logs(self) -> PathBuf {
        self.0.join(Self::LOGS)
    }

    pub fn bootstrap_logs(self) -> PathBuf {
        self.logs().join(Self::BOOTSTRAP_LOGS)
    }
}

/// Where the service of a machine keeps its state.
pub const SERVICE_STATE_DIR: &str = "/var/lib/ece-agent";
