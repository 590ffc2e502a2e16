use super::refused::EnrolError;
use crate::{
    cluster::{
        app::App,
        change::Change,
        operations::{Attempt, roles::roles_of_the_first_host},
        records::{HostRecord, KeyRecord, TokenRecord, create, decode, put},
    },
    rt::Timestamp,
    store::{Op, Room, StoreError},
};

/// A member whose place another machine asks for, and the version of its record.
pub(super) struct Replaced {
    pub host: HostRecord,
    pub version: u64,
}

/// Lets `host` take the place of one with the same name that is gone. The token must be made for
/// that, and must have let in that very host; `ops` hold and count its use.
pub(super) async fn replace(
    app: &App,
    before: Replaced,
    mut host: HostRecord,
    token: &TokenRecord,
    mut ops: Vec<Op>,
    now: Timestamp,
) -> Result<Attempt<HostRecord>, EnrolError> {
    let Replaced { host: known, version } = before;
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
    if app.liveness.is_connected(&known.runner_id) {
        return Err(refused("it is connected"));
    }
    let old_key = KeyRecord::path(&known.key);
    let old = app.store.get(&old_key).await?;
    let old = old.ok_or_else(|| StoreError::Failed(format!("{old_key} is missing")))?;
    decode::<KeyRecord>(&old)?;
    host.joined.replaced = Some(known.key);
    host.desired_revision = known.desired_revision + 1;
    let tombstone = KeyRecord::Removed { runner_id: known.runner_id.clone(), at: now };
    let key = KeyRecord::Host { runner_id: known.runner_id.clone() };
    ops.extend([
        put(HostRecord::path(&known.runner_id), &host, version),
        put(old_key, &tombstone, old.version),
        create(KeyRecord::path(&host.key), &key),
    ]);
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
