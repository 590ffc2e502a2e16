use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::progress::Progress;
use crate::{
    config::JoinRoute,
    model::{Code, Exit, Failure},
    preflight::{Outcome, Reach, Severity, reach},
    rt::{Backoff, Clock, random_fraction},
    tls::PinVerifier,
};

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Variables that name a proxy for what is asked over TLS.
const PROXY_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Tells what the checks found, and stops at errors; the codes of what was overridden.
pub(super) fn tell_checks(
    outcomes: &[Outcome],
    progress: &dyn Progress,
) -> Result<Vec<Code>, Failure> {
    let failures = outcomes.iter().filter(|it| it.severity == Severity::Error);
    if let Some(failure) = combine(failures.filter_map(Outcome::failure).collect()) {
        return Err(failure);
    }
    for warning in outcomes.iter().filter_map(Outcome::failure) {
        progress.warning(&warning);
    }
    Ok(outcomes.iter().filter(|it| it.overridden).map(|it| it.code).collect())
}

/// One failure out of several, in which the last word counts.
pub(super) fn combine(mut failures: Vec<Failure>) -> Option<Failure> {
    let mut last = failures.pop()?;
    for earlier in failures {
        last.message = format!("{}; before that: {earlier}", last.message);
    }
    Some(last)
}

/// What the environment says of proxies.
pub fn proxies_in_environment() -> Vec<(String, String)> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    PROXY_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}

/// Goes to the first coordinator that can be reached; to those that are not up yet again and
/// again, for as long as `patience` lasts. If none was reached, what became of the last.
pub async fn find_coordinator(
    route: &JoinRoute,
    patience: Duration,
    progress: &dyn Progress,
) -> Option<Reach> {
    let started = Instant::now();
    let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
    loop {
        let mut failures = Vec::new();
        let mut last = None;
        for coordinator in &route.coordinators {
            let verifier = Arc::new(PinVerifier::new(route.pins.iter().copied(), []));
            let reached = reach(coordinator, verifier, || Clock::system().now()).await;
            match &reached.failed {
                None => return Some(reached),
                Some((_, failure)) => failures.push(failure.clone()),
            }
            last = Some(reached);
        }
        let mut last = last?;
        if let (Some((_, failure)), Some(all)) = (&mut last.failed, combine(failures)) {
            *failure = all;
        }
        let (_, failure) = last.failed.as_ref()?;
        // What does not trust or is refused will not change by waiting.
        if failure.exit() != Exit::Unreachable || started.elapsed() >= patience {
            return Some(last);
        }
        progress.waiting(failure);
        let left = patience.saturating_sub(started.elapsed());
        sleep(backoff.next(random_fraction()).min(left)).await;
    }
}
