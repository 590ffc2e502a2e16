use std::{
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::store::{
    CommitError, Lease, LeaseId, MemoryStore, Op, PageFrom, Record, Room, Snapshot, Store,
    StoreError, StorePath, Watch,
};

type Other = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store on which something else is done between what an operation reads and its commit.
pub struct Interleaved {
    store: MemoryStore,
    other: Mutex<Option<Other>>,
    /// Commits that failed as they found something else than was read.
    conflicts: AtomicUsize,
    /// Commits that go through until all fail.
    left: AtomicUsize,
    /// What others write all the time.
    contended: Mutex<Option<StorePath>>,
    is_full: AtomicBool,
    /// Below what many records were asked for.
    listed: Mutex<Vec<StorePath>>,
}

impl Default for Interleaved {
    fn default() -> Self {
        let (other, conflicts) = (Mutex::new(None), AtomicUsize::new(0));
        let (left, contended) = (AtomicUsize::new(usize::MAX), Mutex::new(None));
        let (is_full, listed) = (AtomicBool::new(false), Mutex::default());
        Self { store: MemoryStore::new(), other, conflicts, left, contended, is_full, listed }
    }
}

impl Interleaved {
    pub fn before_the_next_commit(&self, other: impl Future<Output = ()> + Send + 'static) {
        *self.other.lock().expect("no panic while held") = Some(Box::pin(other));
    }

    /// How many commits have found something else than was read, since this was asked last.
    pub fn conflicts(&self) -> usize {
        self.conflicts.swap(0, Ordering::SeqCst)
    }

    /// From now on every commit of this record comes too late.
    pub fn is_always_written_by_others(&self, path: StorePath) {
        *self.contended.lock().expect("no panic while held") = Some(path);
    }

    /// From now on there is room for what may use the reserve, and for nothing else.
    pub fn is_full_from_now_on(&self) {
        self.is_full.store(true, Ordering::SeqCst);
    }

    /// How often the records below this path were asked for.
    pub fn lists_of(&self, prefix: &StorePath) -> usize {
        let listed = self.listed.lock().expect("no panic while held");
        listed.iter().filter(|it| *it == prefix).count()
    }

    /// After so many more commits all fail.
    pub fn fails_after(&self, commits: usize) {
        self.left.store(commits, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Store for Interleaved {
    async fn get(&self, path: &StorePath) -> Result<Option<Record>, StoreError> {
        self.store.get(path).await
    }
    async fn snapshot(&self, prefixes: &[StorePath]) -> Result<Snapshot, StoreError> {
        self.listed.lock().expect("no panic while held").extend_from_slice(prefixes);
        self.store.snapshot(prefixes).await
    }
    async fn page(
        &self,
        prefix: &StorePath,
        from: PageFrom<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.listed.lock().expect("no panic while held").push(prefix.clone());
        self.store.page(prefix, from, limit).await
    }
    async fn commit_within(&self, room: Room, ops: Vec<Op>) -> Result<u64, CommitError> {
        let other = self.other.lock().expect("no panic while held").take();
        if let Some(other) = other {
            other.await;
        }
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            return Err(StoreError::Failed("it was killed".into()).into());
        }
        if room == Room::Ordinary && self.is_full.load(Ordering::SeqCst) {
            return Err(StoreError::Full.into());
        }
        let contended = self.contended.lock().expect("no panic while held").clone();
        if let Some(path) = contended.filter(|path| ops.iter().any(|op| op.path() == path)) {
            return Err(CommitError::Conflict { operation: 0, path });
        }
        let committed = self.store.commit_within(room, ops).await;
        if let Err(CommitError::Conflict { .. }) = &committed {
            self.conflicts.fetch_add(1, Ordering::SeqCst);
        }
        committed
    }
    fn watch(&self) -> Watch {
        self.store.watch()
    }
    async fn open_lease(&self) -> Result<Lease, StoreError> {
        self.store.open_lease().await
    }
    async fn close_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.close_lease(lease).await
    }
    async fn failed(&self) -> StoreError {
        self.store.failed().await
    }
}
