use super::refused::EnrolError;
use crate::{
    cluster::{
        app::App,
        change::Change,
        member::Member,
        operations::{
            Attempt, presence::StoredPresence, roles::roles_of_the_first_host, stored::StoredMember,
        },
        records::TokenRecord,
    },
    rt::Timestamp,
    store::{Op, Room},
};

/// Lets `host` take the place of one with the same name that is gone. The token must be made for
/// that, and must have let in that very host; `ops` hold and count its use.
pub(super) async fn replace(
    app: &App,
    before: StoredMember,
    host: Member,
    token: &TokenRecord,
    mut ops: Vec<Op>,
    now: Timestamp,
) -> Result<Attempt<Member>, EnrolError> {
    let known = &before.member;
    let refused = |reason| EnrolError::ReplaceRefused {
        runner_id: known.runner_id.clone(),
        known_ip: known.facts.host_ip,
        reason,
    };
    if !token.allow_replace {
        return Err(refused("the token was not made with allow_replace"));
    }
    if known.joined.token != Some(token.id) {
        return Err(refused("it did not join with this token"));
    }
    if !roles_of_the_first_host(&known.roles).is_empty() {
        return Err(refused("it holds the cluster"));
    }
    let presence = StoredPresence::read(app, &known.runner_id).await?;
    if presence.connected {
        return Err(refused("it is connected"));
    }
    ops.push(presence.is_unchanged());
    let host = host.in_place_of(known);
    ops.extend(before.replaced_by(&host, now));
    let change = Change {
        ops,
        action: "host.replace",
        room: Room::Ordinary,
        subject: known.runner_id.to_string(),
        before: known.in_audit(),
        after: host.in_audit(),
    };
    Ok(Attempt::Commit(change, host))
}
