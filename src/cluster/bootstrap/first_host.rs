//! The first host of a cluster that is there already: restored from a backup, or with another key.

use std::net::IpAddr;

use super::{BootstrapError, commit_here};
use crate::{
    cluster::{
        change::Change,
        earlier_records,
        records::{
            Actor, ClusterRecord, DesiredRecord, IdentityRecord, KeyRecord, MemberPart, create,
            decode, put, readable,
        },
    },
    model::{KeyId, RoleSet, RunnerId},
    rt::Timestamp,
    store::{Record, Room, Store, StoreError},
};

/// Who says that it is the first host.
pub struct Asking {
    pub runner_id: RunnerId,
    /// Somebody has named it so; else it is what a host is called that nobody has named.
    pub runner_id_given: bool,
    pub key: KeyId,
    pub host_ip: IpAddr,
}

/// Lets the cluster `cluster_id` know its first host by a key by which it knows nobody: the store may
/// have come from a backup that is older than the key. Whether it has learnt it.
pub async fn register_key(
    store: &dyn Store,
    asking: &Asking,
    cluster_id: &str,
    now: Timestamp,
) -> Result<bool, BootstrapError> {
    let Some(cluster) = store.get(&ClusterRecord::path()).await? else { return Ok(false) };
    if decode::<ClusterRecord>(&cluster)?.cluster_id != cluster_id
        || store.get(&KeyRecord::path(&asking.key)).await?.is_some()
    {
        return Ok(false);
    }
    earlier_records::bring_over(store).await?;
    recognise(store, asking, now).await.map(|known| known.has_new_key)
}

/// What the cluster knows of the host, and whether it has learnt another key of it just now.
pub(super) struct Recognised {
    pub runner_id: RunnerId,
    pub roles: RoleSet,
    pub has_new_key: bool,
}

/// Whoever has the store and its master key is the first host: the key that it has is from now on
/// the one that the cluster knows it by.
pub(super) async fn recognise(
    store: &dyn Store,
    asking: &Asking,
    now: Timestamp,
) -> Result<Recognised, BootstrapError> {
    let (record, host) = first_host(store, asking).await?;
    if asking.runner_id_given && asking.runner_id != host.runner_id {
        return Err(BootstrapError::FirstHostIs(host.runner_id));
    }
    let desired = store.get(&MemberPart::Desired.path(&host.runner_id)).await?;
    let roles = desired.as_ref().map(decode::<DesiredRecord>).transpose()?;
    let roles = roles.ok_or_else(cannot_be_read)?.roles;
    let runner_id = host.runner_id.clone();
    if host.key == asking.key {
        return Ok(Recognised { runner_id, roles, has_new_key: false });
    }
    let (old_path, path) = (KeyRecord::path(&host.key), KeyRecord::path(&asking.key));
    let key = KeyRecord::Host { runner_id: host.runner_id.clone() };
    let mut ops = vec![match store.get(&path).await? {
        None => create(path, &key),
        Some(known) => match decode::<KeyRecord>(&known)? {
            KeyRecord::Removed { runner_id, .. } if runner_id == host.runner_id => {
                put(path, &key, known.version)
            }
            KeyRecord::Host { runner_id } | KeyRecord::Removed { runner_id, .. } => {
                return Err(BootstrapError::KeyOfAnother(runner_id));
            }
        },
    }];
    if let Some(old) = store.get(&old_path).await? {
        let tombstone = KeyRecord::Removed { runner_id: host.runner_id.clone(), at: now };
        ops.push(put(old_path, &tombstone, old.version));
    }
    let after = IdentityRecord { key: asking.key, ..host.clone() };
    ops.push(put(record.path, &after, record.version));
    let change = Change {
        ops,
        action: "host.renew_key",
        room: Room::Reserve,
        subject: host.runner_id.to_string(),
        before: serde_json::json!({ "key": host.key }),
        after: serde_json::json!({ "key": after.key }),
    };
    commit_here(store, change, Actor::Local, asking.host_ip, now).await?;
    Ok(Recognised { runner_id, roles, has_new_key: true })
}

/// The host that came in without a token, by the name that is asked for or by another.
async fn first_host(
    store: &dyn Store,
    asking: &Asking,
) -> Result<(Record, IdentityRecord), BootstrapError> {
    let is_first = |host: &IdentityRecord| host.joined.token.is_none();
    if let Some(record) = store.get(&MemberPart::Identity.path(&asking.runner_id)).await?
        && let Some(host) = readable::<IdentityRecord>(&record)?.filter(is_first)
    {
        return Ok((record, host));
    }
    for record in store.list(&MemberPart::root()).await? {
        if let Some((_, MemberPart::Identity)) = MemberPart::at(&record.path)
            && let Some(host) = readable::<IdentityRecord>(&record)?.filter(is_first)
        {
            return Ok((record, host));
        }
    }
    Err(cannot_be_read().into())
}

fn cannot_be_read() -> StoreError {
    StoreError::Failed("the record of the cluster's first host cannot be read".into())
}
