//! What is known of a host, taken out: whoever looks at it holds no lock.

use uuid::Uuid;

use super::{Liveness, Presence, Rival};
use crate::{
    cluster::member::Member,
    model::{Failure, Role},
    rt::Timestamp,
    wire::hosts::RoleHealth,
};

/// What is known of a host at one moment.
#[derive(Debug, Clone, Default)]
pub struct HostState {
    pub connected: bool,
    /// Since when it is not, if it has been.
    pub lost_at: Option<Timestamp>,
    unhealthy: Vec<(Role, RoleHealth)>,
    /// What the kernel of the host's machine calls its boot.
    pub boot_id: Option<Uuid>,
    /// Other machines with the host's key.
    pub rivals: Vec<Rival>,
}

impl HostState {
    /// What the host said of its roles. One that has not said anything yet is taken for well.
    pub fn is_healthy(&self, role: Option<Role>) -> bool {
        self.connected
            && match role {
                Some(role) => !self.unhealthy.iter().any(|(unhealthy, _)| *unhealthy == role),
                None => self.unhealthy.is_empty(),
            }
    }

    /// What is wrong with its roles. What is wrong is as the host says it; what to do is not.
    pub fn role_failures(&self) -> impl Iterator<Item = Failure> {
        self.unhealthy.iter().filter_map(|(role, health)| health.failure_elsewhere(*role))
    }
}

impl Presence {
    fn state(&mut self, host: &Member, now: Timestamp) -> HostState {
        // Of a role that it does not have a host has nothing to say.
        let said = self.health.iter().filter(|(role, _)| host.has(**role));
        let unhealthy = said.filter(|(_, health)| !health.healthy);
        HostState {
            connected: true,
            lost_at: None,
            unhealthy: unhealthy.map(|(role, health)| (*role, health.clone())).collect(),
            boot_id: self.source.and_then(|source| source.boot_id),
            rivals: self.rivals.as_mut().map(|it| it.known(now).to_vec()).unwrap_or_default(),
        }
    }
}

impl Liveness {
    pub fn state(&self, host: &Member, now: Timestamp) -> HostState {
        let state = self.lock().get_mut(&host.runner_id).map(|it| it.state(host, now));
        state.unwrap_or_else(|| self.state_of_lost(host))
    }

    fn state_of_lost(&self, host: &Member) -> HostState {
        let lost_at = self.passages.lost_at(&host.runner_id, host.joined.at);
        HostState { lost_at, ..HostState::default() }
    }
}
