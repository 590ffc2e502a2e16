//! One call of `install`.

use std::path::PathBuf;

use super::health::must_be_of_this_cluster;
use crate::{
    agent::{Identity, Status, load_identity},
    cli::{answering::Watched, bootstrap_log::BootstrapLog, output::Output, wait::running},
    config::InstallOptions,
    model::{Code, Failure},
};

/// How the daemon goes on when `install` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunMode {
    /// In this process.
    Foreground,
    /// In a process of its own that nobody watches.
    Background,
    /// As a service, as a user of its own.
    Service,
}

pub(super) struct Installation<'a> {
    pub(super) options: InstallOptions,
    pub(super) output: Output,
    pub(super) run_mode: RunMode,
    pub(super) log: &'a BootstrapLog,
    /// Where it works, unless somebody else watches over that.
    pub(super) watched: Option<Watched>,
}

/// A host whose identity is on disk.
pub(super) struct Installed {
    pub identity: Identity,
    pub secrets_file: Option<PathBuf>,
    pub already: bool,
}

impl Installation<'_> {
    /// What the daemon says. What answers where a service does need not be the service, which is
    /// looked at as one.
    pub(super) async fn running(&self) -> Result<Option<Status>, Failure> {
        let state = &self.options.state_dir;
        let answered = match running(state).await {
            Ok(Some(status)) => must_be_of_this_cluster(&status, state).map(|()| Some(status)),
            other => other,
        };
        match answered {
            // Beside that one nothing can be done.
            Err(failure) if failure.is(Code::DaemonNotTheService) => Err(failure),
            Err(_) if self.run_mode == RunMode::Service => Ok(None),
            answered => answered,
        }
    }

    /// Who this host is already. What a new identity replaces may be damaged.
    pub(super) fn identity_that_stays(&self) -> Result<Option<Identity>, Failure> {
        match self.options.new_identity {
            true => Ok(None),
            false => Ok(load_identity(&self.options.state_dir)?),
        }
    }
}
