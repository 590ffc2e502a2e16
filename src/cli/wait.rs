use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    agent::{AgentState, Status, StatusClient, StatusError},
    config::StateDir,
    model::{Code, Failure},
};

const PAUSE: Duration = Duration::from_millis(10);

/// Waits until the daemon says that it is connected, and tells `on_wait` of what it is waiting for
/// meanwhile. `gone` tells why a daemon that does not answer never will.
pub async fn until_connected(
    state: &StateDir,
    deadline: Instant,
    mut gone: impl FnMut() -> Option<Failure>,
    mut on_wait: impl FnMut(&Failure),
) -> Result<Status, Failure> {
    let mut last = None;
    let waiting = async {
        loop {
            if let Ok(client) = StatusClient::connect(state).await
                && let Some(outcome) = follow(client, &mut last, &mut on_wait).await
            {
                return outcome;
            }
            if let Some(failure) = gone() {
                return Err(failure);
            }
            sleep(PAUSE).await;
        }
    };
    match timeout_at(deadline, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(not_in_time(last)),
    }
}

/// `None` if the daemon went away before there was an outcome.
async fn follow(
    client: StatusClient,
    last: &mut Option<Status>,
    on_wait: &mut impl FnMut(&Failure),
) -> Option<Result<Status, Failure>> {
    let mut watch = client.watch().await.ok()?;
    while let Some(status) = watch.next().await.ok()? {
        match (status.state, &status.problem) {
            (AgentState::Connected, _) => return Some(Ok(status)),
            (AgentState::Refused, Some(problem)) => return Some(Err(problem.clone().into())),
            (_, problem) => {
                if let Some(problem) = problem {
                    on_wait(&problem.clone().into());
                }
                *last = Some(status);
            }
        }
    }
    None
}

/// Says what the daemon is waiting for, if it said so.
pub fn not_in_time(last: Option<Status>) -> Failure {
    match last.and_then(|status| status.problem) {
        Some(problem) => {
            let message = format!(
                "the coordinator has not seen this host connected yet: {} [{}]",
                problem.message, problem.code
            );
            Failure::new(Code::JoinNotConnected, message)
        }
        None => Failure::new(
            Code::JoinNotConnected,
            "the coordinator has not seen this host connected yet",
        ),
    }
}

/// The daemon's status, or `None` if there is no daemon.
pub async fn running(state: &StateDir) -> Result<Option<Status>, Failure> {
    let answer = match StatusClient::connect(state).await {
        Ok(client) => client.status().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(status) => Ok(Some(status)),
        Err(StatusError::NotRunning(_)) => Ok(None),
        Err(error @ StatusError::Io(_)) => Err(error.into()),
    }
}
