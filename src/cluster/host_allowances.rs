use std::time::Duration;

use crate::{limits::allowance::Allowance, model::RunnerId};

/// Hosts that are remembered for what they did lately; more than a coordinator can have.
const MOST_HOSTS: usize = 100_000;

/// A host that polls too often waits for each answer, but not so long that it gives up.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How often a host may say something new of itself, and anything at all.
pub struct HostAllowances {
    facts: Allowance<RunnerId>,
    polls: Allowance<RunnerId>,
}

impl Default for HostAllowances {
    fn default() -> Self {
        Self {
            // A daemon looks at its machine twice a minute, and little of that changes.
            facts: Allowance::new(10.0, 1.0 / 300.0, MOST_HOSTS),
            // A daemon polls once a hold, and some times more when there is news.
            polls: Allowance::new(50.0, 10.0, MOST_HOSTS),
        }
    }
}

impl HostAllowances {
    /// A host polls; how long it has to wait for the answer because it polls too often.
    pub fn poll(&self, runner: &RunnerId) -> Duration {
        self.polls.take_ahead(runner.clone(), LONGEST_WAIT)
    }

    /// Whether what a host says of itself now is not taken in, as it has changed too often.
    pub fn facts_wait(&self, runner: &RunnerId) -> bool {
        self.facts.wait(runner).is_some()
    }

    /// A host says something new of itself; how long it has to wait with that, if it has to.
    pub fn facts(&self, runner: &RunnerId) -> Result<(), Duration> {
        let taken = self.facts.take(runner.clone());
        if taken.is_ok() && self.facts_wait(runner) {
            tracing::warn!(%runner, "the host {runner} changes what it says of itself too often; it has to wait");
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_may_say_ten_things_at_once_and_one_in_five_minutes_after_that() {
        let allowances = HostAllowances::default();
        let [host, other] = ["a", "b"].map(|it| it.parse::<RunnerId>().expect("an id"));
        for _ in 0..10 {
            assert!(!allowances.facts_wait(&host));
            assert_eq!(allowances.facts(&host), Ok(()));
        }
        assert!(allowances.facts_wait(&host) && !allowances.facts_wait(&other));
        let wait = allowances.facts(&host).expect_err("too often");
        assert!(wait.abs_diff(Duration::from_secs(300)) < Duration::from_secs(1), "{wait:?}");
        advance(Duration::from_secs(301)).await;
        assert_eq!(allowances.facts(&host), Ok(()));
        assert!(allowances.facts(&host).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_polls_too_often_waits_and_no_longer_than_two_seconds() {
        let allowances = HostAllowances::default();
        let [host, other] = ["a", "b"].map(|it| it.parse::<RunnerId>().expect("an id"));
        for _ in 0..50 {
            assert_eq!(allowances.poll(&host), Duration::ZERO);
        }
        let wait = allowances.poll(&host);
        assert!(wait.abs_diff(Duration::from_millis(100)) < Duration::from_millis(10), "{wait:?}");
        let waits: Vec<Duration> = (0..100).map(|_| allowances.poll(&host)).collect();
        assert!(waits.is_sorted() && waits.iter().all(|wait| *wait <= Duration::from_secs(2)));
        assert!(waits.last() > Some(&Duration::from_secs(1)), "{waits:?}");
        assert_eq!(allowances.poll(&other), Duration::ZERO);
    }
}
