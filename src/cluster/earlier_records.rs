//! Brings over what earlier versions have stored in another layout.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::records::{
    AllocatorConfig, DesiredRecord, FactsRecord, IdentityRecord, Joined, MemberPart, OwnerRecord,
    SettingsRecord, Stored, create, put, readable, schema_of,
};
use crate::{
    model::{KeyId, RoleSet, RunnerId},
    store::{CommitError, Op, PageFrom, Record, Room, Store, StoreError, StorePath},
    wire::hosts::Facts,
};

/// Records that are read at a time.
const PAGE: usize = 500;

/// Members that are brought over in one commit.
const BATCH: usize = 100;

/// A member as one record had it.
#[derive(Clone, Serialize, Deserialize)]
struct WholeRecord {
    runner_id: RunnerId,
    key: KeyId,
    roles: RoleSet,
    #[serde(default)]
    other_roles: BTreeSet<String>,
    desired_revision: u64,
    facts: Facts,
    facts_hash: String,
    joined: Joined,
    #[serde(default)]
    allocator: AllocatorConfig,
}

impl Stored for WholeRecord {
    const SCHEMA: u32 = 1;
}

impl WholeRecord {
    /// The same in records of their own, at the path of this one and below it.
    fn in_parts(self, path: StorePath, version: u64) -> Vec<Op> {
        let Self { runner_id, key, joined, facts, facts_hash, roles, other_roles, .. } = self;
        let runner = runner_id.clone();
        let facts = FactsRecord { facts, facts_hash };
        let desired = DesiredRecord { roles, other_roles, revision: self.desired_revision };
        let mut ops = vec![
            put(path, &IdentityRecord { runner_id, key, joined }, version),
            create(MemberPart::Facts.path(&runner), &facts),
            create(MemberPart::Desired.path(&runner), &desired),
        ];
        if self.allocator != AllocatorConfig::default() {
            let settings = SettingsRecord { allocator: self.allocator, revision: 0 };
            ops.push(create(MemberPart::Settings.path(&runner), &settings));
        }
        ops
    }
}

/// Brings the members over that are stored in one record each, and deletes owners that a removal has
/// left. What was brought over before stays as it is, so that it can be cut off anywhere and begun
/// anew.
pub async fn bring_over(store: &dyn Store) -> Result<(), StoreError> {
    // Before the members: who joins meanwhile is not among them.
    let mut left = owners(store).await?;
    let (mut last, mut brought_over): (Option<StorePath>, _) = (None, 0);
    loop {
        let from = last.as_ref().map_or(PageFrom::Start, PageFrom::After);
        let page = store.page(&MemberPart::root(), from, PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.path.clone());
        for record in &page {
            if let Some((runner, MemberPart::Identity)) = MemberPart::at(&record.path) {
                left.remove(&runner);
            }
        }
        let old: Vec<Record> = page.into_iter().filter(is_whole).collect();
        for batch in old.chunks(BATCH) {
            brought_over += bring_batch_over(store, batch).await?;
        }
    }
    if brought_over > 0 {
        tracing::info!(
            hosts = brought_over,
            "brought over what an earlier version had stored of {brought_over} hosts"
        );
    }
    for (runner, deletion) in left {
        delete_owner(store, &runner, deletion).await?;
    }
    Ok(())
}

/// What deletes the owner of each host that has one, be it readable or not.
async fn owners(store: &dyn Store) -> Result<HashMap<RunnerId, Op>, StoreError> {
    let records = store.list(&OwnerRecord::root()).await?.into_iter();
    let named = records.filter_map(|Record { path, version, .. }| {
        let (_shard, name) = path.below(&OwnerRecord::root())?.split_once('/')?;
        Some((name.parse().ok()?, Op::Delete { path, version }))
    });
    Ok(named.collect())
}

/// Nobody of its name could join as long as it is there.
async fn delete_owner(
    store: &dyn Store,
    runner: &RunnerId,
    deletion: Op,
) -> Result<(), StoreError> {
    if store.get(&MemberPart::Identity.path(runner)).await?.is_some() {
        return Ok(());
    }
    match store.commit_within(Room::Reserve, vec![deletion]).await {
        // Somebody else was faster; else the next start finds it.
        Ok(_)
        | Err(
            CommitError::Conflict { .. } | CommitError::LeaseEnded | CommitError::OutcomeUnknown,
        ) => Ok(()),
        Err(CommitError::Store(error)) => Err(error),
    }
}

fn is_whole(record: &Record) -> bool {
    matches!(MemberPart::at(&record.path), Some((_, MemberPart::Identity)))
        && schema_of(record) == Some(WholeRecord::SCHEMA)
}

/// Brings these over; how many. There is no coordinator without it: it may use the last room.
async fn bring_batch_over(store: &dyn Store, batch: &[Record]) -> Result<usize, StoreError> {
    let (mut ops, mut hosts) = (Vec::new(), 0);
    for record in batch {
        let Some(whole) = readable::<WholeRecord>(record)? else { continue };
        let owner = OwnerRecord::path(&whole.runner_id);
        if store.get(&owner).await?.is_none() {
            ops.push(create(owner, &OwnerRecord::nobody(&whole.runner_id)));
        }
        ops.extend(whole.in_parts(record.path.clone(), record.version));
        hosts += 1;
    }
    if ops.is_empty() {
        return Ok(0);
    }
    match store.commit_within(Room::Reserve, ops).await {
        Ok(_) => Ok(hosts),
        Err(CommitError::Store(error)) => Err(error),
        // The next start finds what is left.
        Err(error) => Err(StoreError::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
