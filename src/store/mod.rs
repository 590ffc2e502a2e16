//! Where a cluster keeps its state: one small contract, modelled on what ZooKeeper can do.
//!
//! - Records live under paths and carry a *version*, 1 when created and one more with each put.
//! - A [`Store::commit`] is all or nothing. When it returns, it is durable.
//! - Every commit has a *revision*, higher than that of each earlier one. What is listed has the
//!   revision that it is of: changes of that one and of earlier ones are in it.
//! - A [`Watch`] shows what was changed, in the order of each record, or says [`WatchEvent::Reset`]
//!   when it missed something: then its owner reads anew. What one commit has changed may come in
//!   parts, of which the last says so.
//! - A record needs nothing above it; one that has others below it is not deleted.
//! - A record made under a *lease* goes when the lease ends, which its holder hears of: it is closed,
//!   its owner's process ends, or the store cannot hold it any longer.
//! - A store may be *unavailable* for a while, and the outcome of a commit *unknown*: neither is a
//!   reason to do the same again without looking.
//! - Room is kept back for commits that make room or take access away ([`Room::Reserve`]): they go
//!   through when others find the disk full.
//!
//! `conformance` holds every implementation to this.

#[cfg(test)]
mod conformance;
mod lease;
mod memory;
mod path;
mod sqlite;
mod watch;

use std::sync::Arc;

pub use lease::{Lease, LeaseId};
pub use memory::MemoryStore;
pub use path::StorePath;
pub use sqlite::SqliteStore;
pub use watch::{Watch, WatchEvent};

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
    /// The record must not be there, and the lease not have ended.
    Create { path: StorePath, value: Vec<u8>, lease: Option<LeaseId> },
    /// The record must be there at this version.
    Put { path: StorePath, value: Vec<u8>, version: u64 },
    /// The record must be there at this version, with nothing below it.
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

    /// The lease under which it makes a record.
    fn lease(&self) -> Option<LeaseId> {
        match self {
            Op::Create { lease, .. } => *lease,
            Op::Check { .. } | Op::Put { .. } | Op::Delete { .. } => None,
        }
    }

    /// Bytes of the record that it writes.
    pub fn size(&self) -> usize {
        match self {
            Op::Check { .. } | Op::Delete { .. } => 0,
            Op::Create { path, value, .. } | Op::Put { path, value, .. } => {
                path.as_str().len() + value.len()
            }
        }
    }
}

/// Which part of the disk a commit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Ordinary,
    /// Also what is kept back for removal, revocation and eviction.
    Reserve,
}

/// Where a page of a list begins. The record that is named is not on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom<'a> {
    /// With the first record, in the order of paths.
    Start,
    /// With the one after this path, in the order of paths.
    After(&'a StorePath),
    /// With the last one, in the opposite order.
    End,
    /// With the one before this path, in the opposite order.
    Before(&'a StorePath),
}

/// One record as a commit left it; `None` means deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    pub path: StorePath,
    pub record: Option<Record>,
}

/// Records as they were at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub revision: u64,
    /// In the order of their paths.
    pub records: Vec<Record>,
}

/// A commit, or a part of it, as a [`Watch`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub revision: u64,
    pub changes: Vec<RecordChange>,
    /// Nothing more comes of this commit.
    pub whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the datastore failed: {0}")]
    Failed(String),
    /// It may answer again later.
    #[error("the datastore cannot be reached at the moment: {0}")]
    Unavailable(String),
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
    /// A record was to be made under a lease that has ended; nothing was changed.
    #[error("the lease has ended")]
    LeaseEnded,
    /// It was carried out, or it was not, or it may yet be.
    #[error("whether the change was made is not known")]
    OutcomeUnknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    async fn get(&self, path: &StorePath) -> Result<Option<Record>, StoreError>;

    /// All records below these, as they are at one revision.
    async fn snapshot(&self, prefixes: &[StorePath]) -> Result<Snapshot, StoreError>;

    /// All records below `prefix`, in the order of their paths.
    async fn list(&self, prefix: &StorePath) -> Result<Vec<Record>, StoreError> {
        let snapshot = self.snapshot(std::slice::from_ref(prefix)).await?;
        Ok(snapshot.records)
    }

    /// At most `limit` records below `prefix`.
    async fn page(
        &self,
        prefix: &StorePath,
        from: PageFrom<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Does all of `ops` in their order, or none; the revision of the commit. A path stands in at
    /// most one of them. Once called it is carried out even if the caller goes away.
    async fn commit_within(&self, room: Room, ops: Vec<Op>) -> Result<u64, CommitError>;

    /// The same for what is nobody's way out of a full disk.
    async fn commit(&self, ops: Vec<Op>) -> Result<u64, CommitError> {
        self.commit_within(Room::Ordinary, ops).await
    }

    /// All commits from now on.
    fn watch(&self) -> Watch;

    async fn open_lease(&self) -> Result<Lease, StoreError>;

    /// Ends the lease, and removes the records made under it. One that has ended stays so.
    async fn close_lease(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Whether its disk was full when something was written last.
    fn is_full(&self) -> bool {
        false
    }

    /// Returns when the store can no longer promise anything: the process has to end.
    async fn failed(&self) -> StoreError;
}

pub type SharedStore = Arc<dyn Store>;
