use std::collections::HashMap;

use tokio::sync::mpsc;

use super::{
    liveness::{Liveness, Transition},
    records::{OwnerRecord, create, decode, put},
};
use crate::{
    model::{RunnerId, SessionId},
    store::{CommitError, Op, SharedStore, StoreError},
};

/// Sessions written with one sync of the disk at most.
const BATCH: usize = 200;

/// Keeps the store's record of who is connected: one small write when a session begins or ends,
/// none while it lasts.
pub struct Owners {
    store: SharedStore,
    coordinator: RunnerId,
    versions: HashMap<RunnerId, u64>,
}

impl Owners {
    /// Reads who was connected when the last coordinator stopped, and expects them back.
    pub async fn load(
        store: SharedStore,
        coordinator: RunnerId,
        liveness: &Liveness,
    ) -> Result<Self, StoreError> {
        let mut versions = HashMap::new();
        for record in store.list(&OwnerRecord::root()).await? {
            let owner: OwnerRecord = decode(&record)?;
            liveness.expect_back(owner.runner_id.clone(), owner.session);
            versions.insert(owner.runner_id, record.version);
        }
        Ok(Self { store, coordinator, versions })
    }

    /// Writes until nobody reports any more.
    pub async fn follow(
        mut self,
        mut transitions: mpsc::UnboundedReceiver<Transition>,
    ) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        while transitions.recv_many(&mut batch, BATCH).await > 0 {
            // Of several for one host the last is what holds.
            let latest: HashMap<RunnerId, Option<SessionId>> = batch
                .drain(..)
                .map(|transition| match transition {
                    Transition::Began { runner, session } => (runner, Some(session)),
                    Transition::Ended { runner } => (runner, None),
                })
                .collect();
            self.write(latest).await?;
        }
        Ok(())
    }

    async fn write(
        &mut self,
        latest: HashMap<RunnerId, Option<SessionId>>,
    ) -> Result<(), StoreError> {
        let ops: Vec<Op> =
            latest.iter().filter_map(|(runner, session)| self.op(runner, *session)).collect();
        if ops.is_empty() {
            return Ok(());
        }
        match self.store.commit(ops).await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Full)) => {
                tracing::error!("the disk is full; who is connected is known in memory only");
                return Ok(());
            }
            Err(CommitError::Store(error)) => return Err(error),
            Err(CommitError::Conflict { path, .. }) => {
                return Err(StoreError::Failed(format!("somebody else writes {path}")));
            }
        }
        for (runner, session) in latest {
            match session {
                Some(_) => *self.versions.entry(runner).or_insert(0) += 1,
                None => {
                    self.versions.remove(&runner);
                }
            }
        }
        Ok(())
    }

    fn op(&self, runner: &RunnerId, session: Option<SessionId>) -> Option<Op> {
        let path = OwnerRecord::path(runner);
        let version = self.versions.get(runner).copied();
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
