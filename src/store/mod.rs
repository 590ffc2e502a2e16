//! Where a cluster keeps its state: one small contract, modelled on what ZooKeeper can do.
//!
//! - Records live under paths and carry a *version*, 1 when created and one more with each put.
//! - A [`Store::commit`] is all or nothing. When it returns, it is durable.
//! - Every commit has a *revision*, higher than that of each earlier one.
//! - A [`Watch`] shows all commits in order, or says [`WatchEvent::Reset`] when it missed some:
//!   then its owner reads anew.
//! - A record made under a *lease* goes when the lease is closed or its owner's process ends.
//!
//! `conformance` holds every implementation to this.

#[cfg(test)]
mod conformance;
mod memory;
mod path;
mod sqlite;
mod watch;

use std::sync::Arc;

pub use memory::MemoryStore;
pub use path::StorePath;
pub use sqlite::SqliteStore;
pub use watch::{Watch, WatchEvent};

/// Ids of leases; one that was closed is never given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId(pub(crate) i64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub path: StorePath,
    pub version: u64,
    /// The revision of the commit that wrote it last.
    pub revision: u64,
    pub value: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The record must be there at this version.
    Check { path: StorePath, version: u64 },
    /// The record must not be there.
    Create { path: StorePath, value: Vec<u8>, lease: Option<LeaseId> },
    /// The record must be there at this version.
    Put { path: StorePath, value: Vec<u8>, version: u64 },
    /// The record must be there at this version.
    Delete { path: StorePath, version: u64 },
}

impl Op {
    pub fn path(&self) -> &StorePath {
        match self {
            Op::Check { path, .. }
            | Op::Create { path, .. }
            | Op::Put { path, .. }
            | Op::Delete { path, .. } => path,
        }
    }
}

/// One record as a commit left it; `None` means deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub path: StorePath,
    pub record: Option<Record>,
}

/// A commit as a [`Watch`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub revision: u64,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the datastore failed: {0}")]
    Failed(String),
    #[error("the disk that holds the datastore is full")]
    Full,
    #[error("the datastore has format {found}, and this version reads up to {known}")]
    TooNew { found: i64, known: i64 },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The precondition of this operation did not hold; nothing was changed.
    #[error("the state of {path} is not what the change expects")]
    Conflict { operation: usize, path: StorePath },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    async fn get(&self, path: &StorePath) -> Result<Option<Record>, StoreError>;

    /// All records below `prefix`, in the order of their paths.
    async fn list(&self, prefix: &StorePath) -> Result<Vec<Record>, StoreError>;

    /// Does all of `ops`, or none; the revision of the commit. A path stands in at most one of
    /// them. Once called it is carried out even if the caller goes away.
    async fn commit(&self, ops: Vec<Op>) -> Result<u64, CommitError>;

    /// All commits from now on.
    fn watch(&self) -> Watch;

    async fn open_lease(&self) -> Result<LeaseId, StoreError>;

    /// Removes the records made under the lease.
    async fn close_lease(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Returns when the store can no longer promise anything: the process has to end.
    async fn failed(&self) -> StoreError;
}

pub type SharedStore = Arc<dyn Store>;
