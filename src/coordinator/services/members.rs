use serde_json::json;

use super::{
    Attempt, carry_out,
    enrolment::{Caller, EnrolError, check_facts},
};
use crate::{
    coordinator::{
        app::App,
        change::{Change, Origin},
        records::{Actor, HostRecord, decode, put},
    },
    model::RunnerId,
    wire::hosts::Facts,
};

/// Takes in what a member says about itself. Returns at once if nothing changed.
pub async fn update_facts(
    app: &App,
    caller: Caller,
    runner: &RunnerId,
    facts: Facts,
    facts_hash: String,
) -> Result<(), EnrolError> {
    check_facts(&facts, &facts_hash)?;
    let path = &HostRecord::path(runner);
    let (facts, facts_hash) = (&facts, &facts_hash);
    let origin = Origin {
        actor: Actor::Host(runner.clone()),
        address: caller.address,
        request_id: caller.request_id,
    };
    carry_out(app, &origin, |_| {
        Box::pin(async move {
            let Some(record) = app.store.get(path).await? else { return Ok(Attempt::Settled(())) };
            let before: HostRecord = decode(&record)?;
            // A host of this name with another key is another host.
            if before.key != caller.key
                || (before.facts == *facts && before.facts_hash == *facts_hash)
            {
                return Ok(Attempt::Settled(()));
            }
            let after = HostRecord {
                facts: facts.clone(),
                facts_hash: facts_hash.clone(),
                ..before.clone()
            };
            let change = Change {
                ops: vec![put(path.clone(), &after, record.version)],
                action: "host.facts",
                subject: runner.to_string(),
                before: json!(before.facts),
                after: json!(after.facts),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}
