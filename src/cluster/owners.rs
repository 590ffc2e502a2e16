use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc;

use super::{
    liveness::{Liveness, Transition},
    passages::Passages,
    records::{OwnerRecord, Passage, PassagesRecord, create, put, readable},
};
use crate::{
    model::{RunnerId, SessionId},
    rt::Clock,
    store::{CommitError, Op, Record, SharedStore, StoreError},
};

/// Sessions written with one sync of the disk at most.
const BATCH: usize = 200;

/// Keeps the store's record of who is connected: one small write when a session begins or ends,
/// none while it lasts.
pub struct Owners {
    store: SharedStore,
    coordinator: RunnerId,
    written: HashMap<RunnerId, Written>,
    passages: Arc<Passages>,
    /// Of the records of when hosts came and went.
    passage_versions: HashMap<RunnerId, u64>,
    clock: Clock,
}

/// A host's record in the store, and whose session it stands for.
struct Written {
    session: SessionId,
    version: u64,
}

impl Owners {
    /// Reads who was connected when the last coordinator stopped, and expects them back.
    pub async fn load(
        store: SharedStore,
        coordinator: RunnerId,
        liveness: &Liveness,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let mut written = HashMap::new();
        for record in store.list(&OwnerRecord::root()).await? {
            let Some(owner) = readable::<OwnerRecord>(&record)? else {
                forget(&store, record).await?;
                continue;
            };
            liveness.expect_back(owner.runner_id.clone(), owner.session);
            let kept = Written { session: owner.session, version: record.version };
            written.insert(owner.runner_id, kept);
        }
        let passages = liveness.passages.clone();
        let mut passage_versions = HashMap::new();
        for record in store.list(&PassagesRecord::root()).await? {
            let Some(known) = readable::<PassagesRecord>(&record)? else {
                forget(&store, record).await?;
                continue;
            };
            passage_versions.insert(known.runner_id.clone(), record.version);
            passages.set(known.runner_id, known.passages);
        }
        Ok(Self { store, coordinator, written, passages, passage_versions, clock })
    }

    /// Writes until nobody reports any more.
    pub async fn follow(
        mut self,
        mut transitions: mpsc::UnboundedReceiver<Transition>,
    ) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        while transitions.recv_many(&mut batch, BATCH).await > 0 {
            let latest = self.latest(batch.drain(..));
            self.write(latest).await?;
        }
        Ok(())
    }

    /// Of several transitions of one host the last is what holds; the end of a session is none of
    /// any other.
    fn latest(
        &self,
        transitions: impl Iterator<Item = Transition>,
    ) -> HashMap<RunnerId, Option<SessionId>> {
        let mut latest: HashMap<RunnerId, Option<SessionId>> = HashMap::new();
        for transition in transitions {
            match transition {
                Transition::Began { runner, session } => {
                    latest.insert(runner, Some(session));
                }
                Transition::Ended { runner, session } => {
                    let written = self.written.get(&runner).map(|written| written.session);
                    if latest.get(&runner).copied().unwrap_or(written) == Some(session) {
                        latest.insert(runner, None);
                    }
                }
            }
        }
        latest
    }

    async fn write(
        &mut self,
        latest: HashMap<RunnerId, Option<SessionId>>,
    ) -> Result<(), StoreError> {
        let mut ops: Vec<Op> = Vec::new();
        let mut changed = Vec::new();
        let mut removed = self.passages.take_removed();
        let at = self.clock.now();
        for (runner, session) in &latest {
            let Some(op) = self.op(runner, *session) else { continue };
            ops.push(op);
            let passage = Passage { at, connected: session.is_some() };
            // One that was removed takes its record with it.
            let is_gone = session.is_none() && removed.contains(runner);
            if let Some(after) = self.passages.after(runner, passage).filter(|_| !is_gone) {
                removed.remove(runner);
                ops.push(self.passages_op(runner, &after));
                changed.push((runner.clone(), after));
            }
        }
        removed.retain(|runner| self.passage_versions.contains_key(runner));
        ops.extend(removed.iter().map(|runner| Op::Delete {
            path: PassagesRecord::path(runner),
            version: self.passage_versions[runner],
        }));
        if ops.is_empty() {
            return Ok(());
        }
        match self.store.commit(ops).await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Full)) => {
                tracing::error!("the disk is full; who is connected is known in memory only");
                for (runner, session) in latest {
                    if let (Some(session), Some(kept)) = (session, self.written.get_mut(&runner)) {
                        kept.session = session;
                    }
                }
                for (runner, after) in changed {
                    self.passages.set(runner, after);
                }
                removed.iter().for_each(|runner| self.passages.removed(runner));
                return Ok(());
            }
            Err(CommitError::Store(error)) => return Err(error),
            Err(CommitError::Conflict { path, .. }) => {
                return Err(StoreError::Failed(format!("somebody else writes {path}")));
            }
            Err(error @ (CommitError::LeaseEnded | CommitError::OutcomeUnknown)) => {
                return Err(StoreError::Failed(error.to_string()));
            }
        }
        for (runner, after) in changed {
            *self.passage_versions.entry(runner.clone()).or_default() += 1;
            self.passages.set(runner, after);
        }
        for runner in &removed {
            self.passage_versions.remove(runner);
        }
        for (runner, session) in latest {
            match session {
                Some(session) => {
                    let version = self.written.get(&runner).map_or(0, |before| before.version) + 1;
                    self.written.insert(runner, Written { session, version });
                }
                None => {
                    self.written.remove(&runner);
                }
            }
        }
        Ok(())
    }

    fn passages_op(&self, runner: &RunnerId, after: &[Passage]) -> Op {
        let path = PassagesRecord::path(runner);
        let record = PassagesRecord { runner_id: runner.clone(), passages: after.to_vec() };
        match self.passage_versions.get(runner) {
            None => create(path, &record),
            Some(version) => put(path, &record, *version),
        }
    }

    fn op(&self, runner: &RunnerId, session: Option<SessionId>) -> Option<Op> {
        let path = OwnerRecord::path(runner);
        let version = self.written.get(runner).map(|written| written.version);
        match (session, version) {
            (None, None) => None,
            (None, Some(version)) => Some(Op::Delete { path, version }),
            (Some(session), version) => {
                let owner = OwnerRecord {
                    runner_id: runner.clone(),
                    coordinator: self.coordinator.clone(),
                    session,
                };
                Some(match version {
                    None => create(path, &owner),
                    Some(version) => put(path, &owner, version),
                })
            }
        }
    }
}

/// Nobody can say whose it is, and its place is needed when the host comes back.
async fn forget(store: &SharedStore, record: Record) -> Result<(), StoreError> {
    let op = Op::Delete { path: record.path, version: record.version };
    match store.commit(vec![op]).await {
        // What is left is met again at the next start.
        Ok(_)
        | Err(
            CommitError::Conflict { .. } | CommitError::LeaseEnded | CommitError::OutcomeUnknown,
        ) => Ok(()),
        Err(CommitError::Store(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{cluster::records::decode, store::MemoryStore};

    fn began(number: u128) -> Transition {
        Transition::Began { runner: runner(), session: SessionId(Uuid::from_u128(number)) }
    }

    fn ended(number: u128) -> Transition {
        Transition::Ended { runner: runner(), session: SessionId(Uuid::from_u128(number)) }
    }

    fn runner() -> RunnerId {
        "10.0.0.7".parse().expect("an id")
    }

    async fn owner_after(batches: &[&[Transition]]) -> Option<SessionId> {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let coordinator = "10.0.0.1".parse().expect("an id");
        let liveness = Liveness::new(crate::rt::ShutdownTrigger::new().1);
        let owners = Owners::load(store.clone(), coordinator, &liveness, Clock::system());
        let mut owners = owners.await.expect("loaded");
        for batch in batches {
            let latest = owners.latest(batch.iter().cloned());
            owners.write(latest).await.expect("written");
        }
        let record = store.get(&OwnerRecord::path(&runner())).await.expect("read")?;
        Some(decode::<OwnerRecord>(&record).expect("readable").session)
    }

    #[tokio::test]
    async fn an_owner_that_cannot_be_read_is_forgotten_and_makes_way() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let value = b"damaged".to_vec();
        let op = Op::Create { path: OwnerRecord::path(&runner()), value, lease: None };
        store.commit(vec![op]).await.expect("committed");
        let coordinator: RunnerId = "10.0.0.1".parse().expect("an id");
        let liveness = Liveness::new(crate::rt::ShutdownTrigger::new().1);
        let owners = Owners::load(store.clone(), coordinator, &liveness, Clock::system());
        let mut owners = owners.await.expect("loaded");
        assert!(!liveness.is_connected(&runner()));
        let latest = owners.latest([began(1)].into_iter());
        owners.write(latest).await.expect("written");
        let record = store.get(&OwnerRecord::path(&runner())).await.expect("read");
        assert!(decode::<OwnerRecord>(&record.expect("there")).is_ok());
    }

    #[tokio::test]
    async fn when_a_host_came_and_went_outlives_the_coordinator_and_goes_with_the_host() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let liveness = || Liveness::new(crate::rt::ShutdownTrigger::new().1);
        let loaded = async |liveness: &Liveness| {
            let coordinator = "10.0.0.1".parse().expect("an id");
            Owners::load(store.clone(), coordinator, liveness, Clock::system()).await
        };
        let connected = |liveness: &Liveness| {
            let passages = liveness.passages.of(&runner()).into_iter();
            passages.map(|it| it.connected).collect::<Vec<_>>()
        };
        let before = liveness();
        let mut owners = loaded(&before).await.expect("loaded");
        for batch in [[began(1)], [began(2)], [ended(2)], [began(3)], [ended(3)]] {
            let latest = owners.latest(batch.into_iter());
            owners.write(latest).await.expect("written");
        }
        assert_eq!(connected(&before), [true, false, true, false]);
        let after = liveness();
        let mut owners = loaded(&after).await.expect("loaded");
        assert_eq!(connected(&after), [true, false, true, false]);
        after.passages.removed(&runner());
        owners.write(HashMap::new()).await.expect("written");
        let latest = owners.latest([began(4)].into_iter());
        owners.write(latest).await.expect("written");
        assert_eq!(connected(&after), [true]);
        let listed = store.list(&PassagesRecord::root()).await.expect("listed");
        assert_eq!(listed.len(), 1);
        after.passages.removed(&runner());
        let latest = owners.latest([ended(4)].into_iter());
        owners.write(latest).await.expect("written");
        assert_eq!(store.list(&PassagesRecord::root()).await.expect("listed").len(), 0);
    }

    #[tokio::test]
    async fn the_end_of_a_session_deletes_the_owner_of_no_other_one() {
        let second = Some(SessionId(Uuid::from_u128(2)));
        assert_eq!(owner_after(&[&[began(1)], &[began(2)], &[ended(1)]]).await, second);
        assert_eq!(owner_after(&[&[began(1)], &[began(2), ended(1)]]).await, second);
        assert_eq!(owner_after(&[&[began(1)], &[ended(1), began(2)]]).await, second);
        assert_eq!(owner_after(&[&[began(1)], &[began(2)], &[ended(2)]]).await, None);
        assert_eq!(owner_after(&[&[began(1), ended(1)]]).await, None);
    }
}
