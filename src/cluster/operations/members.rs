use std::time::Duration;

use serde_json::json;

use super::{Attempt, Unfinished, carry_out, enrolment::Caller, stops_at_the_store};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{Actor, HostRecord, decode, put},
    },
    limits::allowance::Allowance,
    model::{RunnerId, printable::is_plain_text},
    store::Room,
    wire::hosts::Facts,
};

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

    fn facts(&self, runner: &RunnerId) -> Result<(), Duration> {
        let taken = self.facts.take(runner.clone());
        if taken.is_ok() && self.facts_wait(runner) {
            tracing::warn!(%runner, "the host {runner} changes what it says of itself too often; it has to wait");
        }
        taken
    }
}

/// What became of what a member said about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactsTaken {
    Yes,
    /// It has said something new too often.
    NotNow,
}

/// What a host says of itself, and cannot be.
#[derive(Debug, thiserror::Error)]
#[error("what the host says of itself is not possible: {0}")]
pub struct InvalidFacts(String);

/// Why what a member says of itself is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    #[error(transparent)]
    Invalid(#[from] InvalidFacts),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(FactsError);

pub(super) fn check_facts(facts: &Facts, hash: &str) -> Result<(), InvalidFacts> {
    const LONGEST_TEXT: usize = 253;
    let plain = |text: &str| text.len() <= LONGEST_TEXT && is_plain_text(text);
    if ![&facts.hostname, &facts.version, hash].into_iter().all(plain) {
        return Err(InvalidFacts("a name is too long or not printable".into()));
    }
    for tags in [&facts.allocator_tags, &facts.proxy_tags] {
        tags.check().map_err(|error| InvalidFacts(error.to_string()))?;
    }
    Ok(())
}

/// Takes in what a member says about itself. A host may change it now and then.
pub async fn update_facts(
    app: &App,
    caller: Caller,
    runner: &RunnerId,
    mut facts: Facts,
    facts_hash: String,
) -> Result<FactsTaken, FactsError> {
    // A member may have got its tags when they could be any text: it stays one.
    for tags in [&mut facts.allocator_tags, &mut facts.proxy_tags] {
        *tags = tags.escaped();
    }
    check_facts(&facts, &facts_hash)?;
    if app.host_allowances.facts(runner).is_err() {
        return Ok(FactsTaken::NotNow);
    }
    let path = &HostRecord::path(runner);
    let (facts, facts_hash) = (&facts, &facts_hash);
    let origin = Origin {
        actor: Actor::Host(runner.clone()),
        address: caller.address,
        request_id: caller.request_id,
        standing: None,
    };
    carry_out(app, &origin, |_| {
        Box::pin(async move {
            let Some(record) = app.store.get(path).await? else {
                return Ok(Attempt::Settled(FactsTaken::Yes));
            };
            let before: HostRecord = decode(&record)?;
            // A host of this name with another key is another host.
            if before.key != caller.key
                || (before.facts == *facts && before.facts_hash == *facts_hash)
            {
                return Ok(Attempt::Settled(FactsTaken::Yes));
            }
            let after = HostRecord {
                facts: facts.clone(),
                facts_hash: facts_hash.clone(),
                ..before.clone()
            };
            let change = Change {
                ops: vec![put(path.clone(), &after, record.version)],
                action: "host.facts",
                room: Room::Ordinary,
                subject: runner.to_string(),
                before: json!(before.facts),
                after: json!(after.facts),
            };
            Ok(Attempt::Commit(change, FactsTaken::Yes))
        })
    })
    .await
}

#[cfg(test)]
mod tests;
