use std::sync::Arc;

use super::{
    audit_growth::AuditGrowth, host_allowances::HostAllowances, joins::Joins, lists::Lists,
    liveness::Liveness, member::Member, own_changes::OwnChanges, passwords::Passwords,
    queues::Queues, registry::Registry, seal::MasterKey, secrets::Cluster, sessions::Sessions,
};
use crate::{
    limits::pace::Pace,
    model::{Code, Failure, Fingerprint, Role, RunnerId},
    rt::{Clock, Shutdown},
    store::{SharedStore, StoreError},
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
    pub joins: Joins,
    pub cluster: Cluster,
    /// Opens and seals what is secret in the store.
    pub master: MasterKey,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// The coordinator's own name.
    pub runner_id: RunnerId,
    pub key: Fingerprint,
    /// Where hosts reach it, the preferred way first.
    pub addresses: Vec<crate::model::CoordinatorAddress>,
}

impl App {
    /// What is not as it should be with a host, as far as it is known here.
    pub(super) fn problems(&self, host: &Member) -> Vec<Failure> {
        let mut problems = Vec::new();
        if self.host_allowances.facts_wait(&host.runner_id) {
            let code = Code::HostFactsTooOften;
            problems.push(Failure::new(code, code.cause()));
        }
        if let Some(other) = self.registry.another_at(host) {
            let address = host.facts.host_ip;
            let message = format!("its address {address} is also that of the host {other}");
            problems.push(Failure::new(Code::HostAddressShared, message));
        }
        if host.has(Role::Coordinator) && self.store.is_full() {
            problems.push(datastore_full());
        }
        problems
    }

    /// The member with this runner id that has `role`, if one is asked for.
    pub fn member(&self, id: &str, role: Option<Role>) -> Option<Arc<Member>> {
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

/// What to do about a full disk.
pub const MAKE_ROOM: &str = "Make room on the disk that holds the state directory; until then hosts, roles, keys and tokens can be taken away, and nothing else changed.";

pub fn datastore_full() -> Failure {
    Failure::new(Code::StoreFailed, StoreError::Full.to_string()).with_fix(MAKE_ROOM)
}
