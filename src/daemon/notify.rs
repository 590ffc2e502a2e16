//! What the service manager is told: that the daemon runs, what it waits for, that it lives.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    agent::{AgentState, Status, StatusBoard},
    model::{Failure, printable::escaped},
    rt::{Shutdown, Timestamp},
};

/// Without a watchdog nobody waits for a sign of life.
const NO_WATCHDOG: Duration = Duration::from_secs(3600);

/// Tells whoever started this service how it is doing, until `shutdown`. Elsewhere nobody listens.
pub async fn tell_service_manager(board: StatusBoard, shutdown: Shutdown) {
    let mut followed = board.follow();
    let mut alive = interval(sd_notify::watchdog_enabled().unwrap_or(NO_WATCHDOG) / 2);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ready(&in_words(&board.read()));
    loop {
        tokio::select! {
            // The board's lock and the runtime that gets here are what could hang.
            _ = alive.tick() => tell(&[NotifyState::Watchdog]),
            changed = followed.changed() => match changed {
                Ok(()) => say(&in_words(&followed.borrow_and_update().clone())),
                Err(_) => return,
            },
            () = shutdown.wait() => break,
        }
    }
    tell(&[NotifyState::Stopping]);
}

/// The daemon runs, and this is what it does.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&escaped(status))]);
}

/// What the daemon does now, in words. A line end in it would begin another message.
pub fn say(status: &str) {
    tell(&[NotifyState::Status(&escaped(status))]);
}

/// A host that is not a member yet waits for this since then.
pub fn waits_to_join(reason: &Failure, since: Timestamp) {
    say(&format!("waiting to join since {since}: {} [{}]", reason.message, reason.code()));
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

fn in_words(status: &Status) -> String {
    let coordinator =
        status.coordinator.as_ref().map_or("a coordinator".into(), ToString::to_string);
    let since = &status.since;
    let problem = status.problem.as_ref();
    let why = problem.map(|it| format!(": {} [{}]", it.message, it.code)).unwrap_or_default();
    match status.state {
        AgentState::Joining => format!("waiting to join since {since}{why}"),
        AgentState::Connected => {
            let failures = status.roles.iter().filter_map(|(role, health)| health.failure(*role));
            let ill: String = failures.map(|failure| format!("; {failure}")).collect();
            format!("connected to {coordinator} since {since}{ill}")
        }
        AgentState::Connecting => format!("waiting for {coordinator} since {since}{why}"),
        AgentState::Refused => format!("refused by the cluster since {since}{why}"),
        AgentState::Stopping => "stopping".into(),
    }
}
