use crate::model::Failure;

/// The steps of an installation, as people are told of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Validate,
    Preflight,
    Key,
    Connect,
    Enrol,
    Bootstrap,
    Daemon,
    Connected,
}

impl Step {
    /// Stable, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Step::Validate => "validate",
            Step::Preflight => "preflight",
            Step::Key => "key",
            Step::Connect => "connect",
            Step::Enrol => "enrol",
            Step::Bootstrap => "bootstrap",
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
            Step::Connect => "Finding the coordinator",
            Step::Enrol => "Joining the cluster",
            Step::Bootstrap => "Setting up the cluster",
            Step::Daemon => "Starting the daemon",
            Step::Connected => "Waiting until the coordinator sees the host connected",
        }
    }
}

/// Is told how an installation goes.
pub trait Progress: Send + Sync {
    fn started(&self, step: Step);
    /// The step that was started last is done; `result` is in words.
    fn finished(&self, step: Step, result: &str);
    fn warning(&self, failure: &Failure);
}
