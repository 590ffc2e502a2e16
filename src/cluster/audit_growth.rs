use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Bytes after which it is looked whether there are too many.
const LOOK_AFTER: usize = 4 << 20;

/// How much the audit has grown since it was last looked at.
#[derive(Default)]
pub struct AuditGrowth {
    bytes: AtomicUsize,
    much: Notify,
}

impl AuditGrowth {
    pub fn add(&self, bytes: usize) {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes >= LOOK_AFTER {
            self.bytes.store(0, Ordering::Relaxed);
            self.much.notify_one();
        }
    }

    /// Waits until it has grown so much that it has to be looked at.
    pub async fn much(&self) {
        self.much.notified().await;
    }
}
