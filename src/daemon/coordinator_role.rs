//! The role coordinator: it runs in this process, beside the agent, where the datastore is.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use super::{
    datastore::Datastore,
    local_coordinator::{CoordinatorStart, End, LocalCoordinator},
};
use crate::{
    agent::{LocalAdministration, RoleService},
    coordinator::LocalAccess,
    model::{Code, Failure, Role},
    wire::{desired::RolePayload, hosts::SecretText},
};

/// Whether the daemon can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Course {
    /// A daemon that begins with a coordinator waits until that runs.
    Beginning,
    On,
    Over(Failure),
}

/// The role's service.
pub(super) struct CoordinatorRole {
    start: CoordinatorStart,
    datastore: Datastore,
    running: Option<LocalCoordinator>,
    /// Why the last one can go on no longer.
    ended: Option<Failure>,
    access: SharedAccess,
    course: watch::Sender<Course>,
}

/// What the daemon has of the role.
pub(super) struct CoordinatorHandle {
    access: SharedAccess,
    course: watch::Receiver<Course>,
}

type SharedAccess = Arc<Mutex<Option<LocalAccess>>>;

/// The way from the daemon's socket to the coordinator in the same process.
struct Administration(SharedAccess);

#[async_trait::async_trait]
impl LocalAdministration for Administration {
    async fn set_password(&self, user: &str, password: SecretText) -> Result<(), String> {
        self.access()?.set_password(user, &password.0).await
    }

    async fn open_session(&self, user: &str, password: SecretText) -> Result<SecretText, String> {
        self.access()?.open_session(user, &password.0).await.map(SecretText)
    }
}

impl Administration {
    fn access(&self) -> Result<LocalAccess, &'static str> {
        let access = self.0.lock().expect("no panic while held").clone();
        access.ok_or("the users of the API are kept where a coordinator runs, and none does here")
    }
}

impl CoordinatorRole {
    /// `at_start`: the daemon begins with it.
    pub(super) fn new(
        start: CoordinatorStart,
        datastore: Datastore,
        at_start: bool,
    ) -> (Self, CoordinatorHandle) {
        let course = if at_start { Course::Beginning } else { Course::On };
        let ((course, followed), access) = (watch::channel(course), SharedAccess::default());
        let handle = CoordinatorHandle { access: access.clone(), course: followed };
        (Self { start, datastore, running: None, ended: None, access, course }, handle)
    }

    /// Ends the daemon, and with it this.
    async fn end_daemon<T>(&self, why: Failure) -> T {
        self.course.send_replace(Course::Over(why));
        pending().await
    }

    fn give_access(&self, access: Option<LocalAccess>) {
        *self.access.lock().expect("no panic while held") = access;
    }

    /// From all who have the coordinator's.
    fn take_access(&self) {
        self.give_access(None);
        self.datastore.is(None);
    }
}

#[async_trait::async_trait]
impl RoleService for CoordinatorRole {
    fn role(&self) -> Role {
        Role::Coordinator
    }

    async fn apply(&mut self, _wanted: &RolePayload) -> Result<(), Failure> {
        if self.running.is_some() && self.ended.is_none() {
            return Ok(());
        }
        self.stop().await;
        if let Err(failure) = self.datastore.must_be_here().await {
            self.course.send_replace(Course::On);
            return Err(failure);
        }
        match LocalCoordinator::start(&self.start).await {
            Ok(running) => {
                self.give_access(Some(running.access()));
                self.datastore.is(Some(running.store()));
                (self.running, self.ended) = (Some(running), None);
                self.course.send_replace(Course::On);
                Ok(())
            }
            // Whoever starts the daemon is told, and starts it again.
            Err(failure) if *self.course.borrow() == Course::Beginning => {
                self.end_daemon(failure).await
            }
            Err(failure) => Err(failure),
        }
    }

    async fn stop(&mut self) {
        self.take_access();
        if let Some(running) = &mut self.running {
            running.stop().await;
            self.running = None;
        }
    }

    async fn health(&mut self) -> Result<String, Failure> {
        match (&self.running, &self.ended) {
            (_, Some(failure)) => Err(failure.clone()),
            (Some(_), None) => Ok("serves the API on 12443 and hosts on 12343".into()),
            (None, None) => Err(Failure::new(Code::RolesNotHealthy, "it does not run")),
        }
    }

    async fn ended(&mut self) {
        let end = match &mut self.running {
            Some(running) if self.ended.is_none() => running.ended().await,
            _ => pending().await,
        };
        match end {
            // What was acknowledged is what a new process finds on the disk.
            End::Store(failure) => self.end_daemon(failure).await,
            End::Coordinator(failure) => {
                tracing::error!(code = failure.code(), "{}", failure.message);
                // This may be waited for no longer: its end is, before another one begins.
                self.ended = Some(failure);
                self.take_access();
            }
        }
    }
}

impl CoordinatorHandle {
    pub(super) fn administration(&self) -> Arc<dyn LocalAdministration> {
        Arc::new(Administration(self.access.clone()))
    }

    /// Returns when the coordinator with which the daemon begins runs, or waits for what it needs.
    pub(super) async fn begun(&mut self) -> Result<(), Failure> {
        let course = self.course.wait_for(|course| *course != Course::Beginning).await;
        match course.as_deref() {
            Ok(Course::Over(failure)) => Err(failure.clone()),
            Ok(Course::On | Course::Beginning) => Ok(()),
            Err(_) => Err(Failure::new(Code::Internal, "the coordinator's task died")),
        }
    }

    /// Returns when the daemon cannot go on.
    pub(super) async fn over(&mut self) -> Failure {
        let over = |course: &Course| matches!(course, Course::Over(_));
        match self.course.wait_for(over).await.as_deref() {
            Ok(Course::Over(failure)) => failure.clone(),
            // The session ends first, and is what is told of.
            Ok(Course::On | Course::Beginning) | Err(_) => pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
