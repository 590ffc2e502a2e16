use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use super::{HealthBoard, RoleService};
use crate::{
    model::{Code, Failure, Role},
    rt::{Backoff, random_fraction},
    wire::hosts::RoleHealth,
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
    role: Role,
    service: Box<dyn RoleService>,
    wanted: watch::Receiver<bool>,
    board: HealthBoard,
}

impl RoleTask {
    pub(super) fn new(
        service: Box<dyn RoleService>,
        wanted: watch::Receiver<bool>,
        board: HealthBoard,
    ) -> Self {
        Self { role: service.role(), service, wanted, board }
    }

    /// Until there is nobody who could want anything.
    pub(super) async fn run(mut self) {
        while self.wanted.wait_for(|wanted| *wanted).await.is_ok() {
            let role = self.role;
            tracing::info!(%role, "starting role {role}");
            self.keep_running().await;
            tracing::info!(%role, "stopping role {role}");
            self.service.stop().await;
            self.board.send_modify(|board| drop(board.remove(&role)));
        }
    }

    /// Starts the service, and again when it is not healthy, less and less often, as long as it is
    /// wanted.
    async fn keep_running(&mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        while *self.wanted.borrow() {
            let health = self.start().await;
            let pause = match health.failure(self.role) {
                None => LOOK_INTERVAL,
                Some(failure) => {
                    let pause = backoff.next(random_fraction());
                    let (role, code, seconds) = (self.role, failure.code(), pause.as_secs());
                    tracing::error!(%role, code, "{}; it is tried again in {seconds} s", failure.message);
                    pause
                }
            };
            self.pause(pause).await;
            if health.healthy {
                self.watch_over(&mut backoff).await;
            }
        }
    }

    /// Looks at the service until it is not healthy, or not wanted.
    async fn watch_over(&mut self, backoff: &mut Backoff) {
        while *self.wanted.borrow() && self.look().await.healthy {
            backoff.reset();
            self.pause(LOOK_INTERVAL).await;
        }
    }

    async fn start(&mut self) -> RoleHealth {
        let (role, board) = (self.role, &self.board);
        let health = match patiently(role, board, self.service.start()).await {
            Ok(()) => patiently(role, board, self.service.health()).await,
            Err(failure) => RoleHealth::from(&failure),
        };
        say(role, board, &health);
        health
    }

    async fn look(&mut self) -> RoleHealth {
        let health = patiently(self.role, &self.board, self.service.health()).await;
        say(self.role, &self.board, &health);
        health
    }

    /// Waits so long, unless the role is not wanted any more.
    async fn pause(&mut self, pause: Duration) {
        // Nobody is there to want it: then what was said last holds.
        let _ = timeout(pause, self.wanted.wait_for(|wanted| !*wanted)).await;
    }
}

/// Does `work` to its end. While it takes too long, the role is one that does not answer.
async fn patiently<T>(role: Role, board: &HealthBoard, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = timeout(PATIENCE, &mut work).await {
        return done;
    }
    let seconds = PATIENCE.as_secs();
    let failure = Failure::new(Code::RolesSilent, format!("it has not answered for {seconds} s"));
    tracing::error!(%role, code = failure.code(), "role {role}: {}", failure.message);
    say(role, board, &RoleHealth::from(&failure));
    work.await
}

fn say(role: Role, board: &HealthBoard, health: &RoleHealth) {
    board.send_if_modified(|board| {
        board.insert(role, health.clone()).is_none_or(|before| before != *health)
    });
}
