use std::collections::HashMap;

use tokio::sync::watch;

/// Ids of leases; one that has ended is never given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId(pub(crate) i64);

/// A lease that was open, and may have ended since: because it was closed, or because the store
/// cannot hold it any longer.
#[derive(Debug, Clone)]
pub struct Lease {
    id: LeaseId,
    open: watch::Receiver<()>,
}

impl Lease {
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// Returns when it has ended. It does not come back; its holder takes another one.
    pub async fn ended(&self) {
        let mut open = self.open.clone();
        // Nothing is ever said but that it is over.
        while open.changed().await.is_ok() {}
    }
}

/// The leases of one store that are open.
#[derive(Default)]
pub(super) struct Leases(HashMap<LeaseId, watch::Sender<()>>);

impl Leases {
    pub(super) fn open(&mut self, id: LeaseId) -> Lease {
        let (held, open) = watch::channel(());
        self.0.insert(id, held);
        Lease { id, open }
    }

    pub(super) fn is_open(&self, id: LeaseId) -> bool {
        self.0.contains_key(&id)
    }

    pub(super) fn end(&mut self, id: LeaseId) {
        self.0.remove(&id);
    }
}
