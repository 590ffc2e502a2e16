use std::{io, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{daemon_socket::connect, service_layout::how_to_be_answered};
use crate::{
    agent::{AgentState, DaemonClient, DaemonError, Status},
    config::StateDir,
    model::{Code, Failure},
};

const PAUSE: Duration = Duration::from_millis(10);
/// After an answer that is not the daemon's: whoever gives it can do so at once, again and again.
const LONG_PAUSE: Duration = Duration::from_millis(500);

/// What was heard last, if anything was.
type Heard = Option<Result<Status, DaemonError>>;

/// Waits until the daemon says that it is connected, and tells `on_wait` of what it is waiting for
/// meanwhile. `gone` tells why a daemon that does not answer never will.
pub async fn until_connected(
    state: &StateDir,
    deadline: Instant,
    mut gone: impl FnMut() -> Option<Failure>,
    mut on_wait: impl FnMut(&Failure),
) -> Result<Status, Failure> {
    let mut heard: Heard = None;
    let waiting = async {
        loop {
            let followed = match connect(state).await {
                Ok(client) => follow(client, &mut heard, &mut on_wait).await,
                Err(error) => Err(error),
            };
            let mut pause = PAUSE;
            match followed {
                Ok(Some(outcome)) => return outcome,
                Err(error) if error.is_of_another() => {
                    heard = Some(Err(error));
                    pause = LONG_PAUSE;
                }
                // What answered is gone.
                _ if matches!(heard, Some(Err(_))) => heard = None,
                _ => {}
            }
            if let Some(failure) = gone() {
                return Err(failure);
            }
            sleep(pause).await;
        }
    };
    let outcome = timeout_at(deadline, waiting).await;
    outcome.unwrap_or_else(|_| {
        Err(match heard {
            Some(Err(error)) => not_answered(error, state),
            Some(Ok(last)) => not_in_time(Some(last)),
            None => not_in_time(None),
        })
    })
}

/// `None` if the daemon went away before there was an outcome.
async fn follow(
    client: DaemonClient,
    heard: &mut Heard,
    on_wait: &mut impl FnMut(&Failure),
) -> Result<Option<Result<Status, Failure>>, DaemonError> {
    let mut watch = client.watch().await?;
    while let Some(status) = watch.next().await? {
        match (status.state, &status.problem) {
            (AgentState::Connected, _) => return Ok(Some(Ok(status))),
            (AgentState::Refused, Some(problem)) => return Ok(Some(Err(problem.clone().into()))),
            (_, problem) => {
                if let Some(problem) = problem {
                    on_wait(&problem.clone().into());
                }
                *heard = Some(Ok(status));
            }
        }
    }
    Ok(None)
}

/// Says what the daemon is waiting for, if it said so.
pub fn not_in_time(last: Option<Status>) -> Failure {
    match last.and_then(|status| status.problem) {
        Some(problem) => {
            let message = format!(
                "the coordinator has not seen this host connected yet: {} ({})",
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
    let mut answer = asked(state).await;
    // One that ended, or was started anew, while it was asked answers the second time or is gone.
    let again = match &answer {
        Err(DaemonError::NotTheDaemon { reason, .. }) => may_be_an_end(reason),
        Err(DaemonError::NotTheService { .. }) => true,
        _ => false,
    };
    if again {
        answer = asked(state).await;
    }
    match answer {
        Ok(status) => Ok(Some(status)),
        Err(DaemonError::NotRunning(_)) => Ok(None),
        Err(error) => Err(not_answered(error, state)),
    }
}

async fn asked(state: &StateDir) -> Result<Status, DaemonError> {
    connect(state).await?.status().await
}

fn may_be_an_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, Other, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | Other | UnexpectedEof)
}

/// What is said where the daemon was asked in vain.
pub fn not_answered(error: DaemonError, state: &StateDir) -> Failure {
    let failure = Failure::from(error);
    match failure.is(Code::DaemonAnswerUnreadable) {
        true => failure.with_fix(how_to_be_answered(state)),
        false => failure,
    }
}
