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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_looked_at_each_time_the_audit_has_grown_by_4_mib() {
        let growth = AuditGrowth::default();
        let is_much = || tokio::time::timeout(std::time::Duration::ZERO, growth.much());
        for _ in 0..2 {
            growth.add(3 * 1024 * 1024);
            growth.add(1024 * 1024 - 1);
            assert!(is_much().await.is_err());
            growth.add(1);
            assert!(is_much().await.is_ok());
        }
    }
}
