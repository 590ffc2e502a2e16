//! Whether a host is connected, by the store.

use crate::{
    cluster::{
        app::App,
        records::{OwnerRecord, create, readable},
    },
    model::RunnerId,
    store::{Op, StoreError},
};

/// Whether a host is connected, and the record that says so: whoever names it changes nothing if a
/// session has begun by then, at whichever coordinator.
pub(super) struct StoredPresence {
    pub connected: bool,
    runner: RunnerId,
    /// `None` if there is no record.
    version: Option<u64>,
}

impl StoredPresence {
    pub async fn read(app: &App, runner: &RunnerId) -> Result<Self, StoreError> {
        let record = app.store.get(&OwnerRecord::path(runner)).await?;
        // One that cannot be read says nothing of a session, and keeps nobody.
        let owner: Option<OwnerRecord> = record.as_ref().map(readable).transpose()?.flatten();
        // A session here may have begun, or ended, and not be written down yet.
        let elsewhere = |it: &OwnerRecord| {
            it.session.is_some() && it.coordinator.as_ref() != Some(&app.runner_id)
        };
        let connected = app.liveness.is_connected(runner) || owner.as_ref().is_some_and(elsewhere);
        let version = record.map(|record| record.version);
        Ok(Self { connected, runner: runner.clone(), version })
    }

    /// That no session has begun.
    pub fn is_unchanged(&self) -> Op {
        let path = OwnerRecord::path(&self.runner);
        match self.version {
            Some(version) => Op::Check { path, version },
            None => create(path, &OwnerRecord::nobody(&self.runner)),
        }
    }

    /// The same, and that none begins any more.
    pub fn ends(&self) -> Option<Op> {
        let path = OwnerRecord::path(&self.runner);
        self.version.map(|version| Op::Delete { path, version })
    }
}
