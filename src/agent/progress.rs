use serde::{Deserialize, Serialize};

use crate::model::Failure;

/// The steps of an installation, as people are told of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Step {
    Validate,
    Preflight,
    Key,
    Enrol,
    Bootstrap,
    User,
    Directories,
    Config,
    Binary,
    Unit,
    Daemon,
    Connected,
}

impl Step {
    const ALL: [Step; 12] = [
        Step::Validate,
        Step::Preflight,
        Step::Key,
        Step::Enrol,
        Step::Bootstrap,
        Step::User,
        Step::Directories,
        Step::Config,
        Step::Binary,
        Step::Unit,
        Step::Daemon,
        Step::Connected,
    ];

    /// Stable, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Step::Validate => "validate",
            Step::Preflight => "preflight",
            Step::Key => "key",
            Step::Enrol => "enrol",
            Step::Bootstrap => "bootstrap",
            Step::User => "user",
            Step::Directories => "files",
            Step::Config => "config",
            Step::Binary => "binary",
            Step::Unit => "unit",
            Step::Daemon => "daemon",
            Step::Connected => "connected",
        }
    }

    /// For people, while it lasts.
    pub fn doing(self) -> &'static str {
        match self {
            Step::Validate => "Checking the roles token",
            Step::Preflight => "Checking this machine",
            Step::Key => "Making the host's key",
            Step::Enrol => "Joining the cluster",
            Step::Bootstrap => "Setting up the cluster",
            Step::User => "Making the service user",
            Step::Directories => "Making directories",
            Step::Config => "Writing the config file",
            Step::Binary => "Putting the program in its place",
            Step::Unit => "Writing the unit",
            Step::Daemon => "Starting the daemon",
            Step::Connected => "Waiting until the coordinator sees the host connected",
        }
    }
}

impl From<Step> for &'static str {
    fn from(step: Step) -> Self {
        step.name()
    }
}

impl TryFrom<String> for Step {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|step| step.name() == name).ok_or("it is no step")
    }
}

/// Is told how an installation goes.
pub trait Progress: Send + Sync {
    fn started(&self, step: Step);
    /// The step that was started last is done; `result` is in words.
    fn finished(&self, step: Step, result: &str);
    fn warning(&self, failure: &Failure);
    /// The step goes on until this is over.
    fn waiting(&self, reason: &Failure);
}
