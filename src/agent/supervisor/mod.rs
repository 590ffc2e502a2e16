//! Roles are services, each with a task that starts, watches and stops it until what runs is what
//! is wanted. Here is their handle: what is wanted goes in, how they are doing comes out.

mod allocator;
mod in_process;
mod proxy;
mod task;

use std::{collections::BTreeMap, panic::resume_unwind, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    model::{Code, Failure, Role, RoleSet},
    wire::hosts::RoleHealth,
};
use task::RoleTask;

pub use allocator::allocator_service;
pub use in_process::InProcess;
pub use proxy::proxy_service;

/// How long roles have to say how they are doing before what is known is taken.
const SETTLING: Duration = Duration::from_secs(1);

/// What a host does in one role. Its calls may take their time, and are always waited for: there is
/// one at a time.
#[async_trait::async_trait]
pub trait RoleService: Send {
    fn role(&self) -> Role;

    /// Begins, or begins again what is not healthy.
    async fn start(&mut self) -> Result<(), Failure>;

    async fn stop(&mut self);

    /// How it is doing now.
    async fn health(&mut self) -> RoleHealth;
}

/// How the roles that run are doing, written by their tasks.
type HealthBoard = watch::Sender<BTreeMap<Role, RoleHealth>>;

/// The roles of this host. Their tasks end with it.
pub struct Supervisor {
    wanted: RoleSet,
    wants: BTreeMap<Role, watch::Sender<bool>>,
    tasks: JoinSet<()>,
    health: watch::Receiver<BTreeMap<Role, RoleHealth>>,
}

impl Supervisor {
    pub fn new(services: impl IntoIterator<Item = Box<dyn RoleService>>) -> Self {
        let board = HealthBoard::default();
        let health = board.subscribe();
        let (mut wants, mut tasks) = (BTreeMap::new(), JoinSet::new());
        for service in services {
            let (wanted, told) = watch::channel(false);
            wants.insert(service.role(), wanted);
            tasks.spawn(RoleTask::new(service, told, board.clone()).run());
        }
        Self { wanted: RoleSet::default(), wants, tasks, health }
    }

    /// Says what is to run.
    pub fn apply(&mut self, wanted: &RoleSet) {
        for role in wanted.iter().filter(|role| !self.wanted.contains(*role)) {
            if !self.wants.contains_key(&role) {
                let failure = not_here();
                tracing::error!(%role, code = failure.code(), "role {role}: {}", failure.message);
            }
        }
        self.wanted = wanted.clone();
        for (role, task) in &self.wants {
            let now = wanted.contains(*role);
            task.send_if_modified(|before| std::mem::replace(before, now) != now);
        }
    }

    /// Returns when each role has said how it is doing, or has had the time to.
    pub async fn settled(&mut self) {
        let deadline = Instant::now() + SETTLING;
        let runs = |role: &Role| self.wanted.contains(*role);
        let asked: Vec<Role> = self.wants.keys().copied().filter(runs).collect();
        let all = |said: &BTreeMap<Role, _>| asked.iter().all(|role| said.contains_key(role));
        let _ = timeout_at(deadline, self.health.wait_for(all)).await;
    }

    /// Returns when a role is doing better or worse than before.
    ///
    /// # Panics
    /// If the task of a role has: nobody knows then how it is doing.
    pub async fn changed(&mut self) {
        let died = tokio::select! {
            Ok(()) = self.health.changed() => return,
            Some(Err(died)) = self.tasks.join_next() => died,
            // There are no roles that could change.
            else => return std::future::pending().await,
        };
        resume_unwind(died.into_panic())
    }

    /// How each role that should run is doing.
    pub fn health(&self) -> BTreeMap<Role, RoleHealth> {
        let said = self.health.borrow();
        let health = |role: Role| match (said.get(&role), self.wants.contains_key(&role)) {
            (Some(health), _) => health.clone(),
            (None, true) => starting(),
            (None, false) => RoleHealth::from(&not_here()),
        };
        self.wanted.iter().map(|role| (role, health(role))).collect()
    }
}

fn not_here() -> Failure {
    Failure::new(Code::RolesNotHere, "this host cannot run it")
}

fn starting() -> RoleHealth {
    RoleHealth::from(&Failure::new(Code::RolesNotHealthy, "it is starting"))
}

#[cfg(test)]
mod tests;
