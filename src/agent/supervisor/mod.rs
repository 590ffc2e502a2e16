//! Roles are services that the daemon starts and stops until what runs is what is wanted.

mod allocator;
mod in_process;
mod proxy;

use std::collections::BTreeMap;

use crate::{
    model::{Role, RoleSet},
    wire::hosts::RoleHealth,
};

pub use allocator::allocator_service;
pub use in_process::InProcess;
pub use proxy::proxy_service;

/// What a host does in one role.
pub trait RoleService: Send + Sync {
    fn role(&self) -> Role;

    /// Begins; an error is in words, for the host's health.
    fn start(&mut self) -> Result<(), String>;

    fn stop(&mut self);

    /// How it is doing now.
    fn health(&self) -> RoleHealth;
}

/// Owns the services of this host.
pub struct Supervisor {
    services: BTreeMap<Role, Box<dyn RoleService>>,
    running: BTreeMap<Role, Result<(), String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Stop(Role),
    Start(Role),
}

/// What to do so that `wanted` runs. Roles stop before others start; one that failed to start
/// is tried again.
fn plan(running: &BTreeMap<Role, Result<(), String>>, wanted: &RoleSet) -> Vec<Action> {
    let stops = running.keys().filter(|role| !wanted.contains(**role)).copied().map(Action::Stop);
    let starts = wanted.iter().filter(|role| !matches!(running.get(role), Some(Ok(()))));
    stops.chain(starts.map(Action::Start)).collect()
}

impl Supervisor {
    pub fn new(services: impl IntoIterator<Item = Box<dyn RoleService>>) -> Self {
        let services = services.into_iter().map(|service| (service.role(), service)).collect();
        Self { services, running: BTreeMap::new() }
    }

    /// Starts and stops services until `wanted` is what runs.
    pub fn apply(&mut self, wanted: &RoleSet) {
        for action in plan(&self.running, wanted) {
            match action {
                Action::Stop(role) => {
                    tracing::info!(%role, "stopping role {role}");
                    if let Some(service) = self.services.get_mut(&role) {
                        service.stop();
                    }
                    self.running.remove(&role);
                }
                Action::Start(role) => {
                    tracing::info!(%role, "starting role {role}");
                    let started = match self.services.get_mut(&role) {
                        Some(service) => service.start(),
                        None => Err("this host cannot run it".into()),
                    };
                    if let Err(error) = &started {
                        tracing::error!(%role, error, "role {role} did not start: {error}");
                    }
                    self.running.insert(role, started);
                }
            }
        }
    }

    /// How each role that should run is doing.
    pub fn health(&self) -> BTreeMap<Role, RoleHealth> {
        self.running
            .iter()
            .map(|(role, started)| {
                let health = match (started, self.services.get(role)) {
                    (Ok(()), Some(service)) => service.health(),
                    (Ok(()), None) => RoleHealth { healthy: false, detail: "it is gone".into() },
                    (Err(error), _) => RoleHealth { healthy: false, detail: error.clone() },
                };
                (*role, health)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> RoleSet {
        text.parse().expect("roles")
    }

    #[test]
    fn the_plan_stops_what_is_not_wanted_and_starts_what_is_missing_or_failed() {
        let running = BTreeMap::from([
            (Role::Allocator, Ok(())),
            (Role::Proxy, Err("port in use".to_owned())),
            (Role::Director, Ok(())),
        ]);
        assert_eq!(
            plan(&running, &roles("allocator,proxy")),
            [Action::Stop(Role::Director), Action::Start(Role::Proxy)]
        );
        assert_eq!(plan(&BTreeMap::new(), &roles("")), []);
    }

    #[test]
    fn a_role_that_this_host_cannot_run_is_unhealthy() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut supervisor = Supervisor::new([allocator_service(dir.path().to_owned())]);
        supervisor.apply(&roles("allocator,director"));
        let health = supervisor.health();
        assert!(health[&Role::Allocator].healthy);
        assert!(!health[&Role::Director].healthy);
        supervisor.apply(&roles(""));
        assert!(supervisor.health().is_empty());
    }
}
