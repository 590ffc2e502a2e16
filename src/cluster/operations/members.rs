use serde_json::json;

use super::{Attempt, Caller, Unfinished, carry_out, stops_at_the_store, stored::holder_of};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{Actor, FactsRecord, KeyRecord, MemberPart, decode, put},
    },
    model::{RunnerId, printable::is_plain_text},
    store::Room,
    wire::hosts::Facts,
};

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
    let (path, after) = (&MemberPart::Facts.path(runner), &FactsRecord { facts, facts_hash });
    let origin = Origin {
        actor: Actor::Host(runner.clone()),
        address: caller.address,
        request_id: caller.request_id,
        standing: None,
    };
    carry_out(app, &origin, |_| {
        Box::pin(async move {
            // A host of this name with another key is another host.
            let still_its_own = match holder_of(&*app.store, caller.key).await? {
                Some((KeyRecord::Host { runner_id }, held)) if runner_id == *runner => held,
                Some(_) | None => return Ok(Attempt::Settled(FactsTaken::Yes)),
            };
            let Some(record) = app.store.get(path).await? else {
                return Ok(Attempt::Settled(FactsTaken::Yes));
            };
            let before: FactsRecord = decode(&record)?;
            if before == *after {
                return Ok(Attempt::Settled(FactsTaken::Yes));
            }
            let change = Change {
                ops: vec![still_its_own, put(path.clone(), after, record.version)],
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
