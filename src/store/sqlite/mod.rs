//! The store of a cluster whose data is on one machine: one SQLite file.

mod noted;
mod request;
mod reserve;
mod schema;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    CommitError, Lease, LeaseId, Op, PageFrom, Record, Room, Snapshot, Store, StoreError,
    StorePath, Watch, watch::Feed,
};
use crate::rt::aside;
use noted::Noted;
use request::Request;
use reserve::Reserve;
use writer::Writer;

/// Commits that may wait for the disk; the next caller waits for room.
const QUEUE: usize = 1024;

pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    reader: Arc<Mutex<Connection>>,
    feed: Arc<Feed>,
    failure: watch::Receiver<Option<StoreError>>,
    full: Arc<AtomicBool>,
    lost: u64,
}

impl SqliteStore {
    /// Opens or makes the file. Only one process may have it open; that is for the caller to
    /// see to, who holds a lock on the state directory.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_with(file, Reserve::beside(file), true)
    }

    /// The same for whoever only looks whether something is to be done. What was lost is told to
    /// who opens it after that, unless something is committed meanwhile.
    pub fn open_to_look(file: &Path) -> Result<Self, StoreError> {
        Self::open_with(file, Reserve::beside(file), false)
    }

    fn open_with(file: &Path, reserve: Reserve, tells_losses: bool) -> Result<Self, StoreError> {
        let connection = match schema::open(file) {
            // A datastore does not even open on a disk that is full.
            Err(StoreError::Full | StoreError::Failed(_)) if reserve.release_left_over() => {
                schema::open(file)?
            }
            opened => opened?,
        };
        Self::over(connection, file, reserve, tells_losses)
    }

    fn over(
        connection: Connection,
        file: &Path,
        reserve: Reserve,
        tells_losses: bool,
    ) -> Result<Self, StoreError> {
        let reader = schema::open_reader(file)?;
        let feed = Arc::new(Feed::new());
        let (requests, queue) = mpsc::channel(QUEUE);
        let (failed, failure) = watch::channel(None);
        let full = Arc::<AtomicBool>::default();
        let noted = Noted::beside(file);
        let mut writer = Writer::new(connection, feed.clone(), reserve, noted, full.clone())?;
        let lost = writer.noted.lost(writer.revision);
        if tells_losses {
            writer.noted.note(writer.revision);
        }
        thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let error = writer.run(queue);
                // Who waits for its end may open the file anew.
                drop(writer);
                failed.send_replace(Some(error));
            })
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { requests, reader: Arc::new(Mutex::new(reader)), feed, failure, full, lost })
    }

    /// How many changes had been acknowledged, and were not there when it was opened.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Ends it: when this returns, all that was asked for before is written or refused, and nothing
    /// is written any more.
    pub async fn close(&self) {
        // One that has ended hears nothing.
        let _ = self.requests.send(Request::Close).await;
        let mut ended = self.failure.clone();
        let _ = ended.wait_for(Option::is_some).await;
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = self.reader.clone();
        aside(move || {
            let connection = reader.lock().expect("no panic while held");
            query(&connection).map_err(failed)
        })
        .await
    }

    async fn write<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("its writer has stopped".into())
}

fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Failed(error.to_string()),
    }
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        path: StorePath::from_stored(row.get(0)?),
        version: row.get::<_, i64>(1)? as u64,
        revision: row.get::<_, i64>(2)? as u64,
        value: row.get(3)?,
    })
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    async fn get(&self, path: &StorePath) -> Result<Option<Record>, StoreError> {
        let path = path.as_str().to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT path, version, revision, value FROM record WHERE path = ?1",
                )?
                .query_row([path], read_record)
                .optional()
        })
        .await
    }

    async fn snapshot(&self, prefixes: &[StorePath]) -> Result<Snapshot, StoreError> {
        let ranges: Vec<_> = prefixes.iter().map(StorePath::range_below).collect();
        self.read(move |connection| {
            // What is read in one transaction is of one moment.
            let transaction = connection.unchecked_transaction()?;
            let revision: i64 = transaction
                .prepare_cached("SELECT value FROM counter WHERE name = 'revision'")?
                .query_row([], |row| row.get(0))?;
            let mut records = Vec::new();
            for (from, to) in ranges {
                let mut query = transaction.prepare_cached(
                    "SELECT path, version, revision, value FROM record
                     WHERE path >= ?1 AND path < ?2 ORDER BY path",
                )?;
                for record in query.query_map(params![from, to], read_record)? {
                    records.push(record?);
                }
            }
            records.sort_by(|one: &Record, other| one.path.cmp(&other.path));
            Ok(Snapshot { revision: revision as u64, records })
        })
        .await
    }

    async fn page(
        &self,
        prefix: &StorePath,
        from: PageFrom<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (first, end) = prefix.page_below(from);
        let order = match from {
            PageFrom::Start | PageFrom::After(_) => "ASC",
            PageFrom::End | PageFrom::Before(_) => "DESC",
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT path, version, revision, value FROM record
                     WHERE path >= ?1 AND path < ?2 ORDER BY path {order} LIMIT ?3",
                ))?
                .query_map(params![first, end, limit], read_record)?
                .collect()
        })
        .await
    }

    async fn commit_within(&self, room: Room, ops: Vec<Op>) -> Result<u64, CommitError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Commit { room, ops, reply };
        self.requests.send(request).await.map_err(|_| stopped())?;
        // Whether the writer stopped before it or after it cannot be told.
        answer.await.unwrap_or(Err(CommitError::OutcomeUnknown))
    }

    fn watch(&self) -> Watch {
        self.feed.watch()
    }

    async fn open_lease(&self) -> Result<Lease, StoreError> {
        self.write(|reply| Request::OpenLease { reply }).await?
    }

    async fn close_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.write(|reply| Request::CloseLease { lease, reply }).await?
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    async fn failed(&self) -> StoreError {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            _ => stopped(),
        }
    }
}

#[cfg(test)]
mod tests;
