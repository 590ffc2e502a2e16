use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use tokio::sync::mpsc;

use super::{
    liveness::{Liveness, Transition},
    passages::Passages,
    records::{OwnerRecord, Passage, PassagesRecord, create, put, readable},
};
use crate::{
    model::{RunnerId, SessionId},
    rt::Clock,
    store::{CommitError, Op, Record, SharedStore, StoreError, StorePath},
};

/// Sessions written with one sync of the disk at most.
const BATCH: usize = 200;

/// How often it is read anew what somebody else has written meanwhile.
const ATTEMPTS: usize = 16;

/// The same of hosts together.
const ATTEMPTS_TOGETHER: usize = 2;

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
    session: Option<SessionId>,
    version: u64,
}

/// Why nothing was written.
enum Unwritten {
    /// Somebody else has written, or deleted, this record.
    Outdated(StorePath),
    Failed(StoreError),
}

impl From<StoreError> for Unwritten {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
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
                make_anew(&store, record).await?;
                continue;
            };
            if let Some(session) = owner.session {
                liveness.expect_back(owner.runner_id.clone(), session);
            }
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
                    let written = self.written.get(&runner).and_then(|written| written.session);
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
        let removed = self.passages.take_removed();
        // Their records went with them. Another host may have the name, and its record, by now.
        for runner in &removed {
            self.written.remove(runner);
        }
        // Hosts that leave or are replaced all the time must not keep the others from being written:
        // a batch that loses its race twice is halved.
        let mut left = vec![(latest, removed)];
        while let Some((latest, removed)) = left.pop() {
            let hosts: BTreeSet<RunnerId> = latest.keys().chain(&removed).cloned().collect();
            let attempts = if hosts.len() > 1 { ATTEMPTS_TOGETHER } else { ATTEMPTS };
            if self.write_together(&latest, &removed, attempts).await? {
                continue;
            }
            if hosts.len() <= 1 {
                let runner = hosts.first().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%runner, "whether {runner} is connected is not written down: others write it all the time");
                continue;
            }
            let half: BTreeSet<_> = hosts.into_iter().step_by(2).collect();
            let (first, second) = latest.into_iter().partition(|(it, _)| half.contains(it));
            let (gone, others_gone) = removed.into_iter().partition(|it| half.contains(it));
            left.extend([(first, gone), (second, others_gone)]);
        }
        Ok(())
    }

    /// Writes in one commit, if that goes in so many attempts; whether it did.
    async fn write_together(
        &mut self,
        latest: &HashMap<RunnerId, Option<SessionId>>,
        removed: &HashSet<RunnerId>,
        attempts: usize,
    ) -> Result<bool, StoreError> {
        for _ in 0..attempts {
            match self.try_to_write(latest, removed.clone()).await {
                Ok(()) => return Ok(true),
                Err(Unwritten::Failed(error)) => return Err(error),
                Err(Unwritten::Outdated(path)) => {
                    tracing::debug!(%path, "somebody else wrote {path}, which says who is connected; reading it anew");
                    for runner in latest.keys() {
                        self.written.remove(runner);
                    }
                    self.read_passages(latest.keys(), removed).await?;
                }
            }
        }
        Ok(false)
    }

    /// Reads the records of hosts that are met for the first time. Who has none is no member.
    async fn look_up<'a>(
        &mut self,
        runners: impl Iterator<Item = &'a RunnerId>,
    ) -> Result<(), StoreError> {
        for runner in runners {
            if self.written.contains_key(runner) {
                continue;
            }
            let Some(record) = self.store.get(&OwnerRecord::path(runner)).await? else { continue };
            let session = readable::<OwnerRecord>(&record)?.and_then(|owner| owner.session);
            self.written.insert(runner.clone(), Written { session, version: record.version });
        }
        Ok(())
    }

    /// Reads when these hosts came and went, as somebody else may have written. Of those that were
    /// `removed` nothing but the record is left, which is to be deleted.
    async fn read_passages<'a>(
        &mut self,
        runners: impl Iterator<Item = &'a RunnerId>,
        removed: &'a HashSet<RunnerId>,
    ) -> Result<(), StoreError> {
        let runners: HashSet<&RunnerId> = runners.chain(removed).collect();
        for runner in runners {
            let Some(record) = self.store.get(&PassagesRecord::path(runner)).await? else {
                self.passage_versions.remove(runner);
                continue;
            };
            self.passage_versions.insert(runner.clone(), record.version);
            if let Some(known) = readable::<PassagesRecord>(&record)?
                && !removed.contains(runner)
            {
                self.passages.set(runner.clone(), known.passages);
            }
        }
        Ok(())
    }

    async fn try_to_write(
        &mut self,
        latest: &HashMap<RunnerId, Option<SessionId>>,
        mut removed: HashSet<RunnerId>,
    ) -> Result<(), Unwritten> {
        self.look_up(latest.keys()).await?;
        let mut ops: Vec<Op> = Vec::new();
        let mut changed = Vec::new();
        let at = self.clock.now();
        for (runner, session) in latest {
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
                    if let (Some(_), Some(kept)) = (session, self.written.get_mut(runner)) {
                        kept.session = *session;
                    }
                }
                for (runner, after) in changed {
                    self.passages.set(runner, after);
                }
                removed.iter().for_each(|runner| self.passages.removed(runner));
                return Ok(());
            }
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(CommitError::Conflict { path, .. }) => return Err(Unwritten::Outdated(path)),
            Err(error @ (CommitError::LeaseEnded | CommitError::OutcomeUnknown)) => {
                return Err(StoreError::Failed(error.to_string()).into());
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
            if let Some(kept) = self.written.get_mut(runner)
                && (session.is_some() || kept.session.is_some())
            {
                *kept = Written { session: *session, version: kept.version + 1 };
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
        let written = self.written.get(runner)?;
        if session.is_none() && written.session.is_none() {
            return None;
        }
        let coordinator = Some(self.coordinator.clone());
        let owner = OwnerRecord { runner_id: runner.clone(), coordinator, session };
        Some(put(OwnerRecord::path(runner), &owner, written.version))
    }
}

/// Nobody can say whose session it was: there is none.
async fn make_anew(store: &SharedStore, record: Record) -> Result<(), StoreError> {
    let name = record.path.as_str().rsplit('/').next();
    match name.and_then(|name| name.parse().ok()) {
        Some(runner) => {
            let owner = put(record.path, &OwnerRecord::nobody(&runner), record.version);
            commit_if_unchanged(store, owner).await
        }
        None => forget(store, record).await,
    }
}

/// Nobody can say whose it is, and its place is needed when the host comes back.
async fn forget(store: &SharedStore, record: Record) -> Result<(), StoreError> {
    commit_if_unchanged(store, Op::Delete { path: record.path, version: record.version }).await
}

async fn commit_if_unchanged(store: &SharedStore, op: Op) -> Result<(), StoreError> {
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
mod tests;
