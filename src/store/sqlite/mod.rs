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
                failed.send_replace(Some(error));
            })
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { requests, reader: Arc::new(Mutex::new(reader)), feed, failure, full, lost })
    }

    /// How many changes had been acknowledged, and were not there when it was opened.
    pub fn lost(&self) -> u64 {
        self.lost
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_committed_is_there_after_reopening_and_leases_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("store.db");
        let kept = StorePath::root("kept");
        let create = |path: &StorePath, lease| Op::Create {
            path: path.clone(),
            value: b"v".to_vec(),
            lease,
        };
        let revision = {
            let store = SqliteStore::open(&file).expect("opened");
            let lease = store.open_lease().await.expect("a lease");
            let leased = create(&StorePath::root("leased"), Some(lease.id()));
            store.commit(vec![leased]).await.expect("ok");
            store.commit(vec![create(&kept, None)]).await.expect("committed")
        };
        let store = SqliteStore::open(&file).expect("reopened");
        let record = store.get(&kept).await.expect("read").expect("there");
        assert_eq!((record.version, record.revision, record.value), (1, revision, b"v".to_vec()));
        assert_eq!(store.get(&StorePath::root("leased")).await.expect("read"), None);
        let next = store.commit(vec![create(&StorePath::root("next"), None)]).await.expect("ok");
        assert!(next > revision);
    }

    #[tokio::test]
    async fn the_file_and_those_beside_it_are_their_owners_alone_from_birth_and_when_found_open() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("store.db");
        let modes = || {
            let entries = std::fs::read_dir(dir.path()).expect("listed");
            let mode = |entry: std::io::Result<std::fs::DirEntry>| {
                let entry = entry.expect("read");
                let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
                (entry.file_name().into_string().expect("text"), mode)
            };
            entries.map(mode).collect::<std::collections::BTreeMap<_, _>>()
        };
        let expected =
            ["store.db", "store.db-shm", "store.db-wal", "store.reserve", "store.revision"]
                .map(|it| (it.to_owned(), 0o600));
        let store = SqliteStore::open(&file).expect("opened");
        let op = Op::Create { path: StorePath::root("a"), value: vec![1], lease: None };
        store.commit(vec![op]).await.expect("committed");
        assert_eq!(modes(), expected.clone().into());
        // Nothing is in the reserve.
        for (name, _) in &expected[..3] {
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(dir.path().join(name), open).expect("set");
        }
        let _again = SqliteStore::open(&file).expect("opened");
        assert_eq!(modes(), expected.into());
    }

    #[tokio::test]
    async fn acknowledged_changes_that_a_damaged_log_has_lost_are_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("store.db");
        let store = SqliteStore::open(&file).expect("opened");
        for name in ["a", "b", "c"] {
            let op = Op::Create { path: StorePath::root(name), value: vec![1], lease: None };
            store.commit(vec![op]).await.expect("committed");
        }
        // As a process that is killed leaves it.
        let copied = |to: &str, damage: bool| {
            let to = dir.path().join(to);
            std::fs::create_dir(&to).expect("made");
            for name in ["store.db", "store.db-wal", "store.revision"] {
                std::fs::copy(dir.path().join(name), to.join(name)).expect("copied");
            }
            let log = to.join("store.db-wal");
            let mut bytes = std::fs::read(&log).expect("read");
            let last = bytes.len() - 1;
            bytes[last] ^= u8::from(damage);
            std::fs::write(&log, bytes).expect("written");
            to.join("store.db")
        };
        assert_eq!(SqliteStore::open(&copied("whole", false)).expect("opened").lost(), 0);
        let damaged = copied("damaged", true);
        assert_eq!(SqliteStore::open_to_look(&damaged).expect("opened").lost(), 1);
        let store = SqliteStore::open(&damaged).expect("opened");
        assert_eq!(store.lost(), 1);
        assert!(store.get(&StorePath::root("b")).await.expect("read").is_some());
        assert_eq!(store.get(&StorePath::root("c")).await.expect("read"), None);
        drop(store);
        assert_eq!(SqliteStore::open(&damaged).expect("opened").lost(), 0, "it is told once");
    }

    #[tokio::test]
    async fn a_file_of_a_newer_version_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("store.db");
        drop(SqliteStore::open(&file).expect("opened"));
        let connection = Connection::open(&file).expect("opened");
        connection.pragma_update(None, "user_version", 99).expect("updated");
        assert_eq!(
            SqliteStore::open(&file).err(),
            Some(StoreError::TooNew { found: 99, known: schema::FORMAT })
        );
    }

    #[tokio::test]
    async fn what_takes_access_away_goes_through_when_all_else_finds_the_reserve_in_use() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("store.db");
        let store = SqliteStore::open(&file).expect("opened");
        let create = |name: &str| Op::Create {
            path: StorePath::root(name),
            value: b"v".to_vec(),
            lease: None,
        };
        store.commit(vec![create("before")]).await.expect("committed");
        let reserve = file.with_file_name("store.reserve");
        assert!(std::fs::metadata(&reserve).expect("held").len() > 0);
        drop(store);
        // No disk has so much room.
        let store =
            SqliteStore::open_with(&file, Reserve::of(&file, 1 << 42), true).expect("reopened");
        let refused = store.commit(vec![create("ordinary")]).await;
        assert_eq!(refused, Err(CommitError::Store(StoreError::Full)));
        let delete = Op::Delete { path: StorePath::root("before"), version: 1 };
        store.commit_within(Room::Reserve, vec![delete]).await.expect("goes through");
        drop(store);
        let store = SqliteStore::open(&file).expect("reopened");
        store.commit(vec![create("ordinary")]).await.expect("there is room again");
        drop(store);
        // What is not a full disk stops nothing.
        std::fs::remove_file(&reserve).expect("removed");
        std::fs::create_dir(&reserve).expect("made");
        let store = SqliteStore::open(&file).expect("reopened");
        store.commit(vec![create("other")]).await.expect("committed");
    }
}
