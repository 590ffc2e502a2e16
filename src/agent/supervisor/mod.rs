//! Roles are services that the daemon starts and stops until what runs is what is wanted.

mod allocator;
mod in_process;
mod proxy;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    model::{Code, Failure, Role, RoleSet},
    rt::{Backoff, random_fraction},
    wire::hosts::RoleHealth,
};

pub use allocator::allocator_service;
pub use in_process::InProcess;
pub use proxy::proxy_service;

/// How long a role that is not healthy waits until it is started again: at first, and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// How often roles that are healthy are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What a host does in one role.
pub trait RoleService: Send + Sync {
    fn role(&self) -> Role;

    /// Begins, or begins again what is not healthy.
    fn start(&mut self) -> Result<(), Failure>;

    fn stop(&mut self);

    /// How it is doing now.
    fn health(&self) -> RoleHealth;
}

/// Owns the services of this host.
pub struct Supervisor {
    services: BTreeMap<Role, Box<dyn RoleService>>,
    running: BTreeMap<Role, Attempt>,
}

/// How the last start of a role went, and when it is to be looked at again.
struct Attempt {
    started: Result<(), Failure>,
    backoff: Backoff,
    due: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Stop(Role),
    Start(Role),
}

/// What to do so that `wanted` runs. Roles stop before others start; one that failed to start
/// is tried again.
fn plan(running: &BTreeMap<Role, Attempt>, wanted: &RoleSet) -> Vec<Action> {
    let stops = running.keys().filter(|role| !wanted.contains(**role)).copied().map(Action::Stop);
    let runs = |role: &Role| running.get(role).is_some_and(|attempt| attempt.started.is_ok());
    let starts = wanted.iter().filter(|role| !runs(role));
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
                    self.start(role, Backoff::new(FIRST_RETRY, LONGEST_RETRY));
                }
            }
        }
    }

    fn start(&mut self, role: Role, mut backoff: Backoff) {
        let started = match self.services.get_mut(&role) {
            Some(service) => service.start(),
            None => Err(Failure::new(Code::RolesNotHere, "this host cannot run it")),
        };
        let health = self.health_of(role, &started);
        let pause = match health.healthy {
            true => LOOK_INTERVAL,
            false => backoff.next(random_fraction()),
        };
        if let Some(failure) = health.failure(role) {
            let (code, seconds) = (failure.code(), pause.as_secs());
            tracing::error!(%role, code, "{}; it is tried again in {seconds} s", failure.message);
        }
        self.running.insert(role, Attempt { started, backoff, due: Instant::now() + pause });
    }

    /// When there is something to look at.
    pub fn next_look(&self) -> Instant {
        let first = self.running.values().map(|attempt| attempt.due).min();
        first.unwrap_or_else(|| Instant::now() + LOOK_INTERVAL)
    }

    /// Starts again what is due and not healthy.
    pub fn look(&mut self) {
        let now = Instant::now();
        let is_due = |(role, attempt): (&Role, &Attempt)| (attempt.due <= now).then_some(*role);
        let due: Vec<Role> = self.running.iter().filter_map(is_due).collect();
        for role in due {
            let Some(mut attempt) = self.running.remove(&role) else { continue };
            if self.health_of(role, &attempt.started).healthy {
                attempt.backoff.reset();
                attempt.due = now + LOOK_INTERVAL;
                self.running.insert(role, attempt);
            } else {
                self.start(role, attempt.backoff);
            }
        }
    }

    /// How each role that should run is doing.
    pub fn health(&self) -> BTreeMap<Role, RoleHealth> {
        let running = self.running.iter();
        running.map(|(role, attempt)| (*role, self.health_of(*role, &attempt.started))).collect()
    }

    fn health_of(&self, role: Role, started: &Result<(), Failure>) -> RoleHealth {
        match (started, self.services.get(&role)) {
            (Ok(()), Some(service)) => service.health(),
            (Err(failure), _) => RoleHealth::from(failure),
            (Ok(()), None) => RoleHealth::from(&Failure::new(Code::RolesNotHere, "it is gone")),
        }
    }
}

#[cfg(test)]
mod tests;
