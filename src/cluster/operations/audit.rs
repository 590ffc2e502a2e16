//! Reading what was done, and forgetting it when its time has come or its room is used up.

use std::{collections::BTreeMap, time::Duration};

use super::{BATCH, forget};
use crate::{
    cluster::{
        app::App,
        records::{AuditPlace, AuditRecord, AuditShare, readable},
    },
    rt::{Timestamp, aside},
    store::{Op, PageFrom, Record, SharedStore, StoreError, StorePath},
};

/// How long a change is remembered, as long as there is room.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

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
    aside(move || {
        let wanted = |record| {
            let read = readable(&record)?.filter(|read| filter.wants(read));
            Ok((record, read))
        };
        batch.into_iter().map(wanted).collect()
    })
    .await
}

/// How many bytes of records are kept.
#[derive(Debug, Clone, Copy)]
pub struct MostBytes {
    pub in_all: usize,
    /// Of what hosts have caused: whoever has many of them cannot push out what people did.
    pub of_hosts: usize,
    /// Of what users have caused who are no administrators, each of them and all together.
    pub of_a_user: usize,
    pub of_users: usize,
}

pub const MOST: MostBytes =
    MostBytes { in_all: 64 << 20, of_hosts: 16 << 20, of_a_user: 8 << 20, of_users: 32 << 20 };

/// Deletes what is older than [`KEPT`], and the oldest of what is too much.
pub async fn forget_old_audit(
    store: &SharedStore,
    now: Timestamp,
    most: MostBytes,
) -> Result<(), StoreError> {
    let cuts = cuts(store, now.minus(KEPT), most).await?;
    let Some(newest) = cuts.newest() else { return Ok(()) };
    let mut last: Option<StorePath> = None;
    loop {
        let from = last.as_ref().map_or(PageFrom::Start, PageFrom::After);
        let batch = store.page(&AuditRecord::root(), from, BATCH).await?;
        let old: Vec<Record> = batch.into_iter().take_while(|it| it.path <= *newest).collect();
        let Some(end) = old.last().map(|record| record.path.clone()) else { return Ok(()) };
        let ops: Vec<Op> = old
            .into_iter()
            .filter(|record| cuts.cut_off(&record.path))
            .map(|record| Op::Delete { path: record.path, version: record.version })
            .collect();
        // What does not go now is for the next time.
        forget(store, &ops).await?;
        last = Some(end);
    }
}

/// The latest records that have to go, with all that are older.
#[derive(Debug, Default)]
struct Cuts {
    in_all: Option<StorePath>,
    of_hosts: Option<StorePath>,
    of_users: Option<StorePath>,
    of_a_user: BTreeMap<AuditShare, StorePath>,
}

impl Cuts {
    fn newest(&self) -> Option<&StorePath> {
        let others = [&self.in_all, &self.of_hosts, &self.of_users];
        self.of_a_user.values().chain(others.into_iter().flatten()).max()
    }

    fn cut_off(&self, path: &StorePath) -> bool {
        let before = |cut: Option<&StorePath>| cut.is_some_and(|cut| path <= cut);
        before(self.in_all.as_ref())
            || match AuditShare::at(path) {
                AuditShare::Administrators => false,
                AuditShare::Hosts => before(self.of_hosts.as_ref()),
                share @ AuditShare::User(_) => {
                    before(self.of_users.as_ref()) || before(self.of_a_user.get(&share))
                }
            }
    }
}

/// Bytes of records, the latest first.
#[derive(Default)]
struct Seen {
    in_all: usize,
    of_hosts: usize,
    of_users: usize,
    of_a_user: BTreeMap<AuditShare, usize>,
}

impl Seen {
    /// Counts what others than administrators have caused against their bounds.
    fn count(&mut self, path: &StorePath, bytes: usize, most: MostBytes, cuts: &mut Cuts) {
        match AuditShare::at(path) {
            AuditShare::Administrators => {}
            AuditShare::Hosts => {
                self.of_hosts += bytes;
                if self.of_hosts > most.of_hosts {
                    cuts.of_hosts.get_or_insert_with(|| path.clone());
                }
            }
            share @ AuditShare::User(_) => {
                let own = self.of_a_user.entry(share.clone()).or_default();
                *own += bytes;
                if *own > most.of_a_user {
                    cuts.of_a_user.entry(share).or_insert_with(|| path.clone());
                    return;
                }
                // What goes as one user's takes up no room of the others.
                self.of_users += bytes;
                if self.of_users > most.of_users {
                    cuts.of_users.get_or_insert_with(|| path.clone());
                }
            }
        }
    }
}

async fn cuts(
    store: &SharedStore,
    oldest_kept: Timestamp,
    most: MostBytes,
) -> Result<Cuts, StoreError> {
    let (mut seen, mut cuts) = (Seen::default(), Cuts::default());
    let mut last: Option<StorePath> = None;
    loop {
        let from = last.as_ref().map_or(PageFrom::End, PageFrom::Before);
        let batch = store.page(&AuditRecord::root(), from, BATCH).await?;
        let read_all = batch.len() < BATCH;
        for record in batch {
            let bytes = record.path.as_str().len() + record.value.len();
            if AuditRecord::is_before(&record.path, oldest_kept) {
                cuts.in_all = Some(record.path);
                return Ok(cuts);
            }
            seen.count(&record.path, bytes, most, &mut cuts);
            // What goes by itself takes up no room of others.
            if !cuts.cut_off(&record.path) {
                seen.in_all += bytes;
                if seen.in_all > most.in_all {
                    cuts.in_all = Some(record.path);
                    return Ok(cuts);
                }
            }
            last = Some(record.path);
        }
        if read_all {
            return Ok(cuts);
        }
    }
}

#[cfg(test)]
mod tests;
