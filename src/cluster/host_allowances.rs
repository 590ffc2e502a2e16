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
            tracing::warn!(%runner, "the host changes what it says of itself too often; it has to wait");
        }
        taken
    }
}
