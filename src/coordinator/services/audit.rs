//! Reading what was done, and forgetting it when its time has come or its room is used up.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use super::{BATCH, forget};
use crate::{
    coordinator::{
        app::App,
        records::{AuditPlace, AuditRecord, readable},
    },
    rt::Timestamp,
    store::{Op, PageFrom, Record, SharedStore, StoreError, StorePath},
};

/// How long a change is remembered, as long as there is room.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Bytes of records that are kept. The oldest go first.
pub const MOST_BYTES: usize = 64 << 20;

/// Bytes after which it is looked whether there are too many.
const LOOK_AFTER: usize = MOST_BYTES / 16;

/// Bytes of records after which a page ends.
const PAGE_BYTES: usize = 4 << 20;

/// Which changes are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub subject: Option<String>,
    pub since: Option<Timestamp>,
}

impl AuditFilter {
    fn wants(&self, record: &AuditRecord) -> bool {
        self.action.as_ref().is_none_or(|action| record.action == *action)
            && self.subject.as_ref().is_none_or(|subject| record.subject == *subject)
            && self.since.is_none_or(|since| record.at >= since)
    }
}

/// Some changes, the latest first.
#[derive(Debug)]
pub struct AuditStretch {
    pub records: Vec<AuditRecord>,
    /// Where to read on; `None` if there are no more.
    pub next: Option<AuditPlace>,
}

/// The changes that the filter wants, from before `before` on, the latest first: at most `size` of
/// them, after `skip` others.
pub async fn read_audit(
    app: &App,
    filter: &AuditFilter,
    before: Option<AuditPlace>,
    mut skip: usize,
    size: usize,
) -> Result<AuditStretch, StoreError> {
    let mut place = before;
    let mut records = Vec::new();
    let mut bytes = 0;
    loop {
        let from = match &place {
            Some(place) => PageFrom::Before(place.path()),
            None => PageFrom::End,
        };
        let batch = app.store.page(&AuditRecord::root(), from, BATCH).await?;
        let read_all = batch.len() < BATCH;
        for (record, wanted) in wanted(filter.clone(), batch).await? {
            if filter.since.is_some_and(|since| AuditRecord::is_before(&record.path, since)) {
                return Ok(AuditStretch { records, next: None });
            }
            match wanted {
                Some(_) if skip > 0 => skip -= 1,
                Some(_) if records.len() == size || bytes > PAGE_BYTES => {
                    return Ok(AuditStretch { records, next: place });
                }
                Some(read) => {
                    bytes += record.value.len();
                    records.push(read);
                }
                None => {}
            }
            place = Some(AuditPlace::of(record.path));
        }
        if read_all {
            return Ok(AuditStretch { records, next: None });
        }
    }
}

/// Records, and what is in those that the filter wants: read off the threads that serve.
async fn wanted(
    filter: AuditFilter,
    batch: Vec<Record>,
) -> Result<Vec<(Record, Option<AuditRecord>)>, StoreError> {
    let reading = tokio::task::spawn_blocking(move || {
        let wanted = |record| {
            let read = readable(&record)?.filter(|read| filter.wants(read));
            Ok((record, read))
        };
        batch.into_iter().map(wanted).collect()
    });
    reading.await.map_err(|error| StoreError::Failed(error.to_string()))?
}

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

/// Deletes what is older than [`KEPT`], and of the rest the oldest beyond `most_bytes`.
pub async fn forget_old_audit(
    store: &SharedStore,
    now: Timestamp,
    most_bytes: usize,
) -> Result<(), StoreError> {
    let Some(newest) = newest_to_forget(store, now.minus(KEPT), most_bytes).await? else {
        return Ok(());
    };
    loop {
        let oldest = store.page(&AuditRecord::root(), PageFrom::Start, BATCH).await?;
        let old = oldest.into_iter().take_while(|record| record.path <= newest);
        let ops: Vec<Op> =
            old.map(|record| Op::Delete { path: record.path, version: record.version }).collect();
        if ops.is_empty() {
            return Ok(());
        }
        if !forget(store, &ops).await? {
            return Ok(());
        }
    }
}

/// The latest record that has to go, with all that are older.
async fn newest_to_forget(
    store: &SharedStore,
    oldest_kept: Timestamp,
    most_bytes: usize,
) -> Result<Option<StorePath>, StoreError> {
    let mut bytes = 0;
    let mut last: Option<StorePath> = None;
    loop {
        let from = last.as_ref().map_or(PageFrom::End, PageFrom::Before);
        let batch = store.page(&AuditRecord::root(), from, BATCH).await?;
        let read_all = batch.len() < BATCH;
        for record in batch {
            bytes += record.path.as_str().len() + record.value.len();
            if bytes > most_bytes || AuditRecord::is_before(&record.path, oldest_kept) {
                return Ok(Some(record.path));
            }
            last = Some(record.path);
        }
        if read_all {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests;
