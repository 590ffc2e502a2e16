use std::{collections::BTreeMap, future, sync::Mutex};

use super::{
    CommitError, Committed, Lease, LeaseId, Op, PageFrom, Record, RecordChange, Room, Snapshot,
    Store, StoreError, StorePath, Watch, lease::Leases, watch::Feed,
};

/// A store that lives as long as its process; for tests.
pub struct MemoryStore {
    state: Mutex<State>,
    feed: Feed,
}

#[derive(Default)]
struct State {
    records: BTreeMap<String, (Record, Option<LeaseId>)>,
    revision: u64,
    last_lease: i64,
    leases: Leases,
}

impl MemoryStore {
    #[expect(clippy::new_without_default, reason = "a store is made, not defaulted to")]
    pub fn new() -> Self {
        Self { state: Mutex::default(), feed: Feed::new() }
    }

    fn apply(&self, state: &mut State, ops: Vec<Op>) -> u64 {
        state.revision += 1;
        let revision = state.revision;
        let mut changes = Vec::new();
        for op in ops {
            let record = match op {
                Op::Check { .. } => continue,
                Op::Create { path, value, lease } => {
                    let record = Record { path, version: 1, revision, value };
                    let key = record.path.as_str().to_owned();
                    state.records.insert(key, (record.clone(), lease));
                    (record.path.clone(), Some(record))
                }
                Op::Put { path, value, version } => {
                    let record = Record { path, version: version + 1, revision, value };
                    if let Some((stored, _)) = state.records.get_mut(record.path.as_str()) {
                        *stored = record.clone();
                    }
                    (record.path.clone(), Some(record))
                }
                Op::Delete { path, .. } => {
                    state.records.remove(path.as_str());
                    (path, None)
                }
            };
            changes.push(RecordChange { path: record.0, record: record.1 });
        }
        self.feed.send(Committed { revision, changes, whole: true });
        revision
    }
}

impl State {
    /// Whether it can be done after those before it in its commit.
    fn holds(&self, op: &Op, before: &[Op]) -> bool {
        let version = self.records.get(op.path().as_str()).map(|(record, _)| record.version);
        match op {
            Op::Create { .. } => version.is_none(),
            Op::Check { version: expected, .. } | Op::Put { version: expected, .. } => {
                version == Some(*expected)
            }
            Op::Delete { version: expected, path } => {
                let (from, to) = path.range_below();
                let is_left = |record: &Record| {
                    let is_deleted =
                        |op: &Op| matches!(op, Op::Delete { path, .. } if *path == record.path);
                    !before.iter().any(is_deleted)
                };
                let is_made = |op: &Op| matches!(op, Op::Create { path: new, .. } if new.below(path).is_some());
                version == Some(*expected)
                    && !before.iter().any(is_made)
                    && !self.records.range(from..to).any(|(_, (record, _))| is_left(record))
            }
        }
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn get(&self, path: &StorePath) -> Result<Option<Record>, StoreError> {
        let state = self.state.lock().expect("no panic while held");
        Ok(state.records.get(path.as_str()).map(|(record, _)| record.clone()))
    }

    async fn snapshot(&self, prefixes: &[StorePath]) -> Result<Snapshot, StoreError> {
        let state = self.state.lock().expect("no panic while held");
        let below = |prefix: &StorePath| {
            let (from, to) = prefix.range_below();
            state.records.range(from..to).map(|(_, (record, _))| record.clone())
        };
        let mut records: Vec<Record> = prefixes.iter().flat_map(below).collect();
        records.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Snapshot { revision: state.revision, records })
    }

    async fn page(
        &self,
        prefix: &StorePath,
        from: PageFrom<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let state = self.state.lock().expect("no panic while held");
        let (first, end) = prefix.page_below(from);
        let range = state.records.range(first..end).map(|(_, (record, _))| record.clone());
        Ok(match from {
            PageFrom::Start | PageFrom::After(_) => range.take(limit).collect(),
            PageFrom::End | PageFrom::Before(_) => range.rev().take(limit).collect(),
        })
    }

    async fn commit_within(&self, _room: Room, ops: Vec<Op>) -> Result<u64, CommitError> {
        let mut state = self.state.lock().expect("no panic while held");
        for (operation, op) in ops.iter().enumerate() {
            if let Op::Create { lease: Some(lease), .. } = op
                && !state.leases.is_open(*lease)
            {
                return Err(CommitError::LeaseEnded);
            }
            if !state.holds(op, &ops[..operation]) {
                return Err(CommitError::Conflict { operation, path: op.path().clone() });
            }
        }
        Ok(self.apply(&mut state, ops))
    }

    fn watch(&self) -> Watch {
        self.feed.watch()
    }

    async fn open_lease(&self) -> Result<Lease, StoreError> {
        let mut state = self.state.lock().expect("no panic while held");
        state.last_lease += 1;
        let id = LeaseId(state.last_lease);
        Ok(state.leases.open(id))
    }

    async fn close_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        let mut state = self.state.lock().expect("no panic while held");
        let ops: Vec<Op> = state
            .records
            .values()
            .filter(|(_, held_by)| *held_by == Some(lease))
            .map(|(record, _)| Op::Delete { path: record.path.clone(), version: record.version })
            .collect();
        if !ops.is_empty() {
            self.apply(&mut state, ops);
        }
        state.leases.end(lease);
        Ok(())
    }

    async fn failed(&self) -> StoreError {
        future::pending().await
    }
}
