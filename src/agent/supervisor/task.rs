use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{HealthBoard, RoleService};
use crate::{
    model::{Code, Failure, Role},
    rt::{Backoff, random_fraction},
    wire::{desired::RolePayload, hosts::RoleHealth},
};

/// How long a role that is not healthy waits until it is started again: at first, and at most.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// How often roles that are healthy are looked at.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// How long a start or a look may take until the role counts as not answering.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Owns the service of one role.
pub(super) struct RoleTask {
    service: Box<dyn RoleService>,
    /// `None` as long as the host is not to have the role.
    wanted: watch::Receiver<Option<RolePayload>>,
    said: Said,
}

/// What is said of the role.
struct Said {
    role: Role,
    board: HealthBoard,
    /// The version of the payload that was carried out last.
    applied: Option<String>,
}

impl RoleTask {
    pub(super) fn new(
        service: Box<dyn RoleService>,
        wanted: watch::Receiver<Option<RolePayload>>,
        board: HealthBoard,
    ) -> Self {
        let said = Said { role: service.role(), board, applied: None };
        Self { service, wanted, said }
    }

    /// Until there is nobody who could want anything.
    pub(super) async fn run(mut self) {
        while self.wanted.wait_for(Option::is_some).await.is_ok() {
            let role = self.said.role;
            tracing::info!(%role, "starting role {role}");
            self.keep_running().await;
            tracing::info!(%role, "stopping role {role}");
            // Whoever wants it again meanwhile is not to take it for the one that will run.
            self.said.say(Err(Failure::new(Code::RolesNotHealthy, "it is being stopped")));
            self.service.stop().await;
            self.said.nothing();
        }
    }

    /// Makes the service what is wanted, and again when it is not healthy, less and less often, as
    /// long as it is wanted.
    async fn keep_running(&mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        while let Some(payload) = self.wanted() {
            let health = self.apply(&payload).await;
            match health.failure(self.said.role) {
                None => {
                    let began = Instant::now();
                    self.pause(&payload).await;
                    self.watch_over(&payload, &mut backoff).await;
                    // What ends as soon as it runs is no better than what does not start.
                    if began.elapsed() < LOOK_INTERVAL {
                        self.wait(backoff.next(random_fraction()), &payload).await;
                    }
                }
                Some(failure) => {
                    let pause = backoff.next(random_fraction());
                    let (role, code, seconds) = (self.said.role, failure.code(), pause.as_secs());
                    tracing::error!(%role, code, "{}; it is tried again in {seconds} s", failure.message);
                    self.wait(pause, &payload).await;
                }
            }
        }
    }

    /// Waits so long, unless the role is wanted otherwise.
    async fn wait(&mut self, pause: Duration, payload: &RolePayload) {
        let _ = timeout(pause, other_than(payload, &mut self.wanted)).await;
    }

    fn wanted(&self) -> Option<RolePayload> {
        self.wanted.borrow().clone()
    }

    /// Looks at the service until it is not healthy, or wanted otherwise.
    async fn watch_over(&mut self, payload: &RolePayload, backoff: &mut Backoff) {
        while self.wanted.borrow().as_ref() == Some(payload) && self.look().await.healthy {
            backoff.reset();
            self.pause(payload).await;
        }
    }

    async fn apply(&mut self, payload: &RolePayload) -> RoleHealth {
        let Self { service, said, .. } = self;
        let health = match said.patiently(service.apply(payload)).await {
            Ok(()) => {
                said.applied = Some(payload.version.clone());
                said.patiently(service.health()).await
            }
            Err(failure) => Err(failure),
        };
        said.say(health)
    }

    async fn look(&mut self) -> RoleHealth {
        let health = self.said.patiently(self.service.health()).await;
        self.said.say(health)
    }

    /// Waits until it is time for a look: sooner if the role is wanted otherwise, or the service can
    /// go on no longer.
    async fn pause(&mut self, payload: &RolePayload) {
        let Self { service, wanted, .. } = self;
        let sooner = async {
            tokio::select! {
                () = other_than(payload, wanted) => {}
                () = service.ended() => {}
            }
        };
        let _ = timeout(LOOK_INTERVAL, sooner).await;
    }
}

/// Returns when something else than `payload` is wanted, or there is nobody who could want it.
async fn other_than(payload: &RolePayload, wanted: &mut watch::Receiver<Option<RolePayload>>) {
    let _ = wanted.wait_for(|now| now.as_ref() != Some(payload)).await;
}

impl Said {
    /// Does `work` to its end. While it takes too long, the role is one that does not answer.
    async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = timeout(PATIENCE, &mut work).await {
            return done;
        }
        let (role, seconds) = (self.role, PATIENCE.as_secs());
        let message = format!("it has not answered for {seconds} s");
        let failure = Failure::new(Code::RolesSilent, message);
        tracing::error!(%role, code = failure.code(), "role {role}: {}", failure.message);
        self.say(Err(failure));
        work.await
    }

    fn say(&self, health: Result<String, Failure>) -> RoleHealth {
        let health = match health {
            Ok(detail) => RoleHealth::good(detail),
            Err(failure) => RoleHealth::from(&failure),
        };
        let health = RoleHealth { applied: self.applied.clone(), ..health };
        self.board.send_if_modified(|board| {
            board.insert(self.role, health.clone()).is_none_or(|before| before != health)
        });
        health
    }

    fn nothing(&mut self) {
        self.applied = None;
        self.board.send_modify(|board| drop(board.remove(&self.role)));
    }
}
