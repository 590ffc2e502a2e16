use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::{
    audit_growth::AuditGrowth,
    host_allowances::HostAllowances,
    joins::Joins,
    lists::Lists,
    liveness::{HostState, Liveness},
    member::Member,
    own_changes::OwnChanges,
    passwords::Passwords,
    queues::Queues,
    registry::Registry,
    seal::MasterKey,
    secrets::Cluster,
    sessions::Sessions,
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

/// A host as it was at one moment.
#[derive(Clone)]
pub struct HostNow {
    pub member: Arc<Member>,
    pub state: HostState,
    /// What is not as it should be with it.
    pub problems: Vec<Failure>,
}

/// Who is at which address.
struct Addresses<'a>(HashMap<IpAddr, [Option<&'a Member>; 2]>);

impl<'a> Addresses<'a> {
    fn of(hosts: &'a [Arc<Member>]) -> Self {
        let mut at = HashMap::<_, [Option<&Member>; 2]>::with_capacity(hosts.len());
        for host in hosts {
            let known = at.entry(host.facts.host_ip).or_default();
            if let Some(free) = known.iter_mut().find(|it| it.is_none()) {
                *free = Some(host);
            }
        }
        Self(at)
    }

    /// Another host with the address of this one.
    fn other(&self, host: &Member) -> Option<&'a Member> {
        let known = self.0.get(&host.facts.host_ip)?;
        known.iter().flatten().find(|it| it.runner_id != host.runner_id).copied()
    }
}

impl App {
    /// All hosts as they are now: to be looked at without any lock.
    pub fn hosts_now(&self) -> Vec<HostNow> {
        let members = self.registry.hosts();
        let states = self.liveness.states(&members, self.clock.now());
        let addresses = Addresses::of(&members);
        let both = members.iter().zip(states);
        both.map(|(member, state)| HostNow {
            problems: self.problems(member, addresses.other(member)),
            member: member.clone(),
            state,
        })
        .collect()
    }

    pub fn now(&self, member: Arc<Member>) -> HostNow {
        let state = self.liveness.state(&member, self.clock.now());
        let other = self.registry.another_at(&member);
        HostNow { problems: self.problems(&member, other.as_deref()), member, state }
    }

    /// What is known here of a host, whose address `other` names too.
    fn problems(&self, host: &Member, other: Option<&Member>) -> Vec<Failure> {
        let mut problems = Vec::new();
        if self.host_allowances.facts_wait(&host.runner_id) {
            let code = Code::HostFactsTooOften;
            problems.push(Failure::new(code, code.cause()));
        }
        if let Some(other) = other {
            let (address, other) = (host.facts.host_ip, &other.runner_id);
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

pub fn datastore_full() -> Failure {
    let fix = "Make room on the disk that holds the state directory; until then hosts, roles, keys and tokens can be taken away, and nothing else changed.";
    Failure::new(Code::StoreFailed, StoreError::Full.to_string()).with_fix(fix)
}
