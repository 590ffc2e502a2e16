use std::time::Duration;

use tokio::time::timeout;

use super::{
    checks::{proxies_in_environment, tell_checks},
    facts::{HostIp, gather_facts},
    progress::Progress,
};
use crate::{
    config::{HostSettings, StateDir, only_address},
    host::SharedMachine,
    model::{Code, Failure, RoleSet, RunnerId},
    preflight::{self, Reach},
    rt::aside,
    wire::hosts::Facts,
};

/// How long the machine may be looked at. A service that starts again after that, with its own pause,
/// does not start too often.
const LONGEST_LOOK: Duration = Duration::from_secs(30);

/// What the making of a host begins with, whatever it becomes.
pub struct HostStart<'a> {
    pub settings: HostSettings,
    pub runner_id: Option<RunnerId>,
    pub state: &'a StateDir,
    pub machine: SharedMachine,
    pub progress: &'a dyn Progress,
    /// What production needs is only a warning.
    pub relaxed: bool,
    /// The daemon is going to be a service.
    pub as_service: bool,
    /// Checks not to make.
    pub skip: &'a [Code],
}

/// A machine that can be what it is asked to be.
pub struct Looked {
    pub facts: Facts,
    /// Checks that failed or were not made, as the operator wanted it so.
    pub overridden: Vec<Code>,
}

impl HostStart<'_> {
    /// Looks at the machine, whose disk may never answer.
    pub async fn look(
        &self,
        roles: &RoleSet,
        host_ip: HostIp,
        reach: Option<Reach>,
    ) -> Result<Looked, Failure> {
        let (machine, settings) = (self.machine.clone(), self.settings.clone());
        let (roles, skip) = (roles.clone(), self.skip.to_vec());
        let (relaxed, as_service) = (self.relaxed, self.as_service);
        let looking = aside(move || {
            let outcomes = preflight::check(&preflight::Context {
                machine: &*machine,
                settings: &settings,
                roles: &roles,
                bind: only_address(host_ip.0),
                relaxed,
                as_service,
                look_only: false,
                denied: None,
                installed: None,
                reach: reach.as_ref(),
                skip: &skip,
                proxies: proxies_in_environment(),
            });
            (outcomes, gather_facts(&settings, &*machine, host_ip))
        });
        let (outcomes, facts) = timeout(LONGEST_LOOK, looking).await.map_err(|_| {
            let (path, seconds) = (self.settings.storage_path.display(), LONGEST_LOOK.as_secs());
            let message = format!("the file system of {path} has not answered for {seconds} s");
            Failure::new(Code::StorageSilent, message)
        })?;
        let overridden = tell_checks(&outcomes, self.progress)?;
        let unread =
            |error| Failure::new(Code::Internal, format!("this machine cannot be read: {error}"));
        Ok(Looked { facts: facts.map_err(unread)?, overridden })
    }
}
