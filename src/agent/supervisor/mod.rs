//! Roles are services, each with a task that starts, watches and stops it until what runs is what
//! is wanted. Here is their handle: what is wanted goes in, how they are doing comes out.

mod allocator;
mod proxy;
mod task;

use std::{collections::BTreeMap, panic::resume_unwind, time::Duration};

use serde::de::DeserializeOwned;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    model::{Code, Failure, Role, RoleSet},
    wire::{
        desired::{DesiredState, RolePayload},
        hosts::RoleHealth,
    },
};
use task::RoleTask;

pub use allocator::allocator_service;
pub use proxy::proxy_service;

/// How long roles have to say how they are doing before what is known is taken.
const SETTLING: Duration = Duration::from_secs(1);

/// How long roles have to end.
const ENDING: Duration = Duration::from_secs(8);

/// What a host does in one role. Its calls may take their time, and there is one at a time; all but
/// [`ended`](RoleService::ended) are waited for.
#[async_trait::async_trait]
pub trait RoleService: Send {
    fn role(&self) -> Role;

    /// Makes what runs what is wanted: begins it, begins again what is not healthy, goes over to
    /// another payload.
    async fn apply(&mut self, wanted: &RolePayload) -> Result<(), Failure>;

    async fn stop(&mut self);

    /// How it is doing now, in words, or what is wrong.
    async fn health(&mut self) -> Result<String, Failure>;

    /// Returns when it can go on no longer, so that nobody waits for the next look to see that.
    async fn ended(&mut self) {
        std::future::pending().await
    }
}

/// What a payload of the coordinator says to a role.
fn said<T: DeserializeOwned>(payload: &RolePayload) -> Result<T, Failure> {
    payload.read().map_err(|error| Failure::new(Code::RolesPayload, error.to_string()))
}

/// How the roles that run are doing, written by their tasks.
type HealthBoard = watch::Sender<BTreeMap<Role, RoleHealth>>;

/// The roles of this host. Their tasks end with it.
pub struct Supervisor {
    wanted: RoleSet,
    /// Names of roles that only a newer version has.
    unknown: Vec<String>,
    wants: BTreeMap<Role, watch::Sender<Option<RolePayload>>>,
    tasks: JoinSet<()>,
    health: watch::Receiver<BTreeMap<Role, RoleHealth>>,
}

impl Supervisor {
    pub fn new(services: impl IntoIterator<Item = Box<dyn RoleService>>) -> Self {
        let board = HealthBoard::default();
        let health = board.subscribe();
        let (mut wants, mut tasks) = (BTreeMap::new(), JoinSet::new());
        for service in services {
            let (wanted, told) = watch::channel(None);
            wants.insert(service.role(), wanted);
            tasks.spawn(RoleTask::new(service, told, board.clone()).run());
        }
        Self { wanted: RoleSet::default(), unknown: Vec::new(), wants, tasks, health }
    }

    /// Says what is to run.
    pub fn apply(&mut self, desired: &DesiredState) {
        let wanted = desired.known_roles();
        for role in wanted.iter().filter(|role| !self.wanted.contains(*role)) {
            if !self.wants.contains_key(&role) {
                let failure = not_here();
                tracing::error!(%role, code = failure.code(), "role {role}: {}", failure.message);
            }
        }
        self.wanted = wanted;
        let unknown: Vec<_> = desired.unknown_roles().map(str::to_owned).collect();
        if std::mem::replace(&mut self.unknown, unknown) != self.unknown
            && let Some(failure) = self.unknown_roles()
        {
            tracing::error!(code = failure.code(), "{}", failure.message);
        }
        for (role, task) in &self.wants {
            let now = desired.of_role(*role);
            task.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
        }
    }

    /// That the host was given roles which this version does not know, if it was.
    pub fn unknown_roles(&self) -> Option<Failure> {
        let message = || format!("this version does not know the role {}", self.unknown.join(", "));
        (!self.unknown.is_empty()).then(|| Failure::new(Code::RolesNotHere, message()))
    }

    /// Ends all roles, and waits for those that answer.
    pub async fn end(mut self) {
        self.apply(&DesiredState::default());
        let silent = |health: &RoleHealth| health.code.as_deref() == Some(Code::RolesSilent.name());
        let over = self.health.wait_for(|board| board.values().all(silent));
        let _ = timeout(ENDING, over).await;
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
