//! Reading what was done, and forgetting it when its time has come.

use std::time::Duration;

use crate::{
    coordinator::{
        app::App,
        records::{AuditRecord, decode},
    },
    rt::Timestamp,
    store::{CommitError, Op, SharedStore, StoreError},
};

/// How long a change is remembered.
pub const KEPT: Duration = Duration::from_secs(90 * DAY);
const DAY: u64 = 24 * 3600;

/// Records that are deleted in one commit.
const BATCH: usize = 500;

/// Which changes are asked for.
#[derive(Debug, Default)]
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

/// The changes that the filter wants, the latest first: `size` of them, after the first `from`.
pub async fn read_audit(
    app: &App,
    filter: &AuditFilter,
    from: usize,
    size: usize,
) -> Result<Vec<AuditRecord>, StoreError> {
    let now = app.clock.now();
    let oldest = filter.since.unwrap_or_else(|| now.minus(KEPT));
    let mut found = Vec::new();
    // A clock that was set back may have left records in tomorrow.
    let mut day = now.plus(Duration::from_secs(DAY));
    while day.plus(Duration::from_secs(DAY)) > oldest && found.len() < from.saturating_add(size) {
        let mut of_day = Vec::new();
        for record in app.store.list(&AuditRecord::day_path(day)).await? {
            let record: AuditRecord = decode(&record)?;
            if filter.wants(&record) {
                of_day.push(record);
            }
        }
        of_day.sort_by_key(|record| std::cmp::Reverse(record.at));
        found.extend(of_day);
        day = day.minus(Duration::from_secs(DAY));
    }
    Ok(found.into_iter().skip(from).take(size).collect())
}

/// Deletes what is older than [`KEPT`].
pub async fn forget_old_audit(store: &SharedStore, now: Timestamp) -> Result<(), StoreError> {
    let oldest = now.minus(KEPT);
    let records = store.list(&AuditRecord::root()).await?;
    let old = records
        .into_iter()
        .filter(|record| decode::<AuditRecord>(record).is_ok_and(|it| it.at < oldest));
    let ops: Vec<Op> =
        old.map(|record| Op::Delete { path: record.path, version: record.version }).collect();
    for batch in ops.chunks(BATCH) {
        match store.commit(batch.to_vec()).await {
            // Another coordinator does the same.
            Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Store(StoreError::Full)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Ok(())
}
