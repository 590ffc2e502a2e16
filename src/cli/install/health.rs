//! Whether a host that is connected does its work.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{
    agent::Status,
    cli::{
        daemon_socket::connect,
        known_host::{Known, known_host},
    },
    config::StateDir,
    model::{Code, Failure},
};

/// How long roles have to become healthy: longer than the daemon waits until it tries them again.
const LONGEST: Duration = Duration::from_secs(35);

/// What is wrong with the roles of a host, if something is.
pub(super) fn unhealthy(status: &Status) -> Option<Failure> {
    let mut failures = status.roles.iter().filter_map(|(role, health)| health.failure(*role));
    let first = failures.next()?;
    Some(failures.fold(first, |all, other| all.adding(&other.to_string())))
}

/// What a daemon says of a cluster that this host is no member of is not this host's daemon's.
pub(super) fn must_be_of_this_cluster(status: &Status, state: &StateDir) -> Result<(), Failure> {
    let known = known_host(state).ok().and_then(Known::host);
    let known = known.map(|host| host.cluster_id).filter(|id| !id.is_empty());
    match (known, &status.cluster_id) {
        (Some(known), Some(said)) if known != *said => {
            let message = format!(
                "the daemon says that it is of the cluster {said}, and the host is of {known}"
            );
            Err(Failure::new(Code::DaemonAnswerUnreadable, message))
        }
        _ => Ok(()),
    }
}

/// Waits until all roles are healthy, as long as that may still come.
pub(super) async fn until_healthy(
    state: &StateDir,
    mut status: Status,
    deadline: Instant,
    mut on_wait: impl FnMut(&Failure),
) -> Result<Status, Failure> {
    let deadline = deadline.min(Instant::now() + LONGEST);
    let Some(mut failure) = unhealthy(&status) else { return Ok(status) };
    let following = async {
        let mut watch = connect(state).await.ok()?.watch().await.ok()?;
        loop {
            on_wait(&failure);
            status = watch.next().await.ok()??;
            match unhealthy(&status) {
                None => return Some(status.clone()),
                Some(other) => failure = other,
            }
        }
    };
    match timeout_at(deadline, following).await {
        Ok(Some(status)) => Ok(status),
        _ => Err(failure),
    }
}
