use std::sync::Arc;

use super::{
    lists::Lists,
    liveness::{HostState, Liveness},
    operations::{audit::AuditGrowth, members::HostAllowances},
    own_changes::OwnChanges,
    passwords::Passwords,
    queues::Queues,
    records::HostRecord,
    registry::Registry,
    seal::MasterKey,
    secrets::Cluster,
    sessions::Sessions,
};
use crate::{
    limits::{allowance::Allowance, pace::Pace},
    model::{Code, Fingerprint, Role, TokenId},
    rt::{Clock, Shutdown},
    store::SharedStore,
    wire::hosts::KnownCoordinator,
};

/// What every part of a running coordinator works with.
pub struct App {
    pub store: SharedStore,
    pub registry: Arc<Registry>,
    pub liveness: Arc<Liveness>,
    pub passwords: Passwords,
    pub sessions: Arc<Sessions>,
    pub own_changes: OwnChanges,
    pub queues: Queues,
    pub lists: Lists,
    pub pace: Arc<Pace>,
    pub audit_growth: AuditGrowth,
    pub host_allowances: HostAllowances,
    /// Hosts that come with one token.
    pub joins: Allowance<TokenId>,
    pub cluster: Cluster,
    /// Opens and seals what is secret in the store.
    pub master: MasterKey,
    pub clock: Clock,
    pub shutdown: Shutdown,
    pub key: Fingerprint,
    /// Where hosts reach it, the preferred way first.
    pub addresses: Vec<crate::model::CoordinatorAddress>,
}

/// A host as it was at one moment.
#[derive(Clone)]
pub struct HostNow {
    pub record: Arc<HostRecord>,
    pub state: HostState,
    /// What is not as it should be with it.
    pub problem: Option<Code>,
}

impl App {
    /// All hosts as they are now: to be looked at without any lock.
    pub fn hosts_now(&self) -> Vec<HostNow> {
        let records = self.registry.hosts();
        let states = self.liveness.states(&records, self.clock.now());
        let both = records.into_iter().zip(states);
        both.map(|(record, state)| HostNow { problem: self.problem(&record), record, state })
            .collect()
    }

    pub fn now(&self, record: Arc<HostRecord>) -> HostNow {
        let state = self.liveness.state(&record, self.clock.now());
        HostNow { problem: self.problem(&record), record, state }
    }

    fn problem(&self, host: &HostRecord) -> Option<Code> {
        let too_often = self.host_allowances.facts_wait(&host.runner_id);
        too_often.then_some(Code::HostFactsTooOften)
    }

    /// The member with this runner id that has `role`, if one is asked for.
    pub fn member(&self, id: &str, role: Option<Role>) -> Option<Arc<HostRecord>> {
        let host = self.registry.view().host(&id.parse().ok()?)?;
        role.is_none_or(|role| host.has(role)).then_some(host)
    }

    /// The coordinators that hosts may turn to.
    pub fn known_coordinators(&self) -> Vec<KnownCoordinator> {
        self.addresses
            .iter()
            .map(|address| KnownCoordinator { address: address.clone(), key: self.key })
            .collect()
    }
}
