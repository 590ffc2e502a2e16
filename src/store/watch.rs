use std::sync::Arc;

use tokio::sync::broadcast;

use super::Committed;

/// Commits that a watch may lag behind before it is reset.
const BACKLOG: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    Committed(Arc<Committed>),
    /// Commits were missed: read anew.
    Reset,
}

/// All commits of a store from the moment it was made.
pub struct Watch(broadcast::Receiver<Arc<Committed>>);

impl Watch {
    /// The next event, or `None` when the store is gone.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        match self.0.recv().await {
            Ok(committed) => Some(WatchEvent::Committed(committed)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(WatchEvent::Reset),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The sending end of all watches of one store.
pub(super) struct Feed(broadcast::Sender<Arc<Committed>>);

impl Feed {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    pub(super) fn watch(&self) -> Watch {
        Watch(self.0.subscribe())
    }

    pub(super) fn send(&self, committed: Committed) {
        // Nobody watching is fine.
        let _ = self.0.send(Arc::new(committed));
    }
}
