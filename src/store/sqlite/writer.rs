use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, ffi, params};
use tokio::sync::mpsc;

use super::{
    failed,
    noted::Noted,
    request::{Request, is_urgent, leave_open, refuse, without_ordinary},
    reserve::Reserve,
};
use crate::store::{
    CommitError, Committed, LeaseId, Op, Record, RecordChange, StoreError, StorePath,
    lease::Leases, watch::Feed,
};

/// Commits that share one sync of the disk at most.
const BATCH: usize = 256;

/// The only one who writes. It takes what has queued up, gives each commit a savepoint of its
/// own, syncs once, and only then tells the watches and the callers.
pub(super) struct Writer {
    connection: Connection,
    feed: Arc<Feed>,
    reserve: Reserve,
    pub(super) noted: Noted,
    disk: Disk,
    /// The same for those who ask.
    full: Arc<AtomicBool>,
    pub(super) revision: u64,
    last_lease: i64,
    leases: Leases,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    HasRoom,
    Full,
}

/// What is tried when the disk is full, one after the other.
enum Remedy {
    CutLog,
    UseReserve,
}

/// What was done for one request.
enum Done {
    Committed(u64),
    Opened(LeaseId),
    Closed,
}

/// A batch that is on disk: what to say to each caller, and to the watches.
struct Written {
    results: Vec<Result<Done, CommitError>>,
    committed: Vec<Committed>,
    /// Something was in it that may not use the reserve.
    ordinary: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        feed: Arc<Feed>,
        reserve: Reserve,
        noted: Noted,
        full: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let counter = |name: &str| {
            connection.query_row("SELECT value FROM counter WHERE name = ?1", [name], |row| {
                row.get::<_, i64>(0)
            })
        };
        let revision = counter("revision").map_err(failed)? as u64;
        let last_lease = counter("lease").map_err(failed)?;
        let leases = Leases::default();
        let disk = Disk::HasRoom;
        Ok(Self { connection, feed, reserve, noted, disk, full, revision, last_lease, leases })
    }

    /// Works until it is told to end, nobody can ask any more, or the disk can no longer be relied
    /// on.
    pub(super) fn run(&mut self, mut queue: mpsc::Receiver<Request>) -> StoreError {
        let mut closes = false;
        while !closes && let Some(first) = queue.blocking_recv() {
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(request) = next {
                closes = matches!(request, Request::Close);
                if closes {
                    break;
                }
                batch.push(request);
                next = if batch.len() < BATCH { queue.try_recv().ok() } else { None };
            }
            if let Err(error) = self.carry_out(batch) {
                return error;
            }
        }
        let closed = StoreError::Failed("it was closed".into());
        queue.close();
        while let Some(late) = queue.blocking_recv() {
            refuse(vec![late], &closed);
        }
        closed
    }

    /// Writes the batch and answers its callers. An error means that the disk can no longer be
    /// relied on.
    fn carry_out(&mut self, mut batch: Vec<Request>) -> Result<(), StoreError> {
        let mut remedies = [Remedy::CutLog, Remedy::UseReserve].into_iter();
        if !self.reserve.hold() {
            self.note(Disk::Full);
            batch = without_ordinary(batch);
        }
        while !batch.is_empty() {
            let written = self.write(&batch);
            let error = match written {
                Ok(Written { results, committed, ordinary }) => {
                    self.noted.note(self.revision);
                    for commit in committed {
                        self.feed.send(commit);
                    }
                    // On a full disk what is small may fit still, and the next change not.
                    if ordinary
                        && (self.disk == Disk::HasRoom || !self.reserve.has_no_room_beside())
                    {
                        self.note(Disk::HasRoom);
                    }
                    self.answer(batch, results);
                    return Ok(());
                }
                Err(error) => self.meaning(error),
            };
            // A full disk took nothing; after any other failure what is on disk is not known, and
            // going on could contradict what was promised.
            let rolled_back = self.connection.is_autocommit()
                || self.connection.execute_batch("ROLLBACK").is_ok();
            if error != StoreError::Full || !rolled_back {
                leave_open(batch, &error);
                return Err(error);
            }
            match remedies.next() {
                Some(Remedy::CutLog) => self.cut_log(),
                Some(Remedy::UseReserve) => {
                    self.note(Disk::Full);
                    batch = without_ordinary(batch);
                    if !batch.is_empty() {
                        self.reserve.release();
                        self.cut_log();
                    }
                }
                None => {
                    refuse(batch, &error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What is in the log and in the file takes room twice. It stays so if it must.
    fn cut_log(&self) {
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Says once that the disk is full, and once that it is not any more.
    fn note(&mut self, disk: Disk) {
        if std::mem::replace(&mut self.disk, disk) == disk {
            return;
        }
        self.full.store(disk == Disk::Full, Ordering::Relaxed);
        match disk {
            Disk::Full => tracing::error!(
                "the disk that holds the datastore is full: hosts, roles, keys and tokens can be taken away, and nothing else changed"
            ),
            Disk::HasRoom => tracing::info!("the disk that holds the datastore has room again"),
        }
    }

    fn write(&mut self, batch: &[Request]) -> rusqlite::Result<Written> {
        let (mut revision, mut last_lease) = (self.revision, self.last_lease);
        let mut closed = HashSet::new();
        let mut results = Vec::with_capacity(batch.len());
        let mut committed = Vec::with_capacity(batch.len());
        self.execute("BEGIN IMMEDIATE")?;
        for request in batch {
            let result = match request {
                Request::OpenLease { .. } => {
                    last_lease += 1;
                    Ok(Done::Opened(LeaseId(last_lease)))
                }
                Request::CloseLease { lease, .. } => {
                    closed.insert(*lease);
                    let ops = self.leased(*lease)?;
                    match self.savepoint(&ops, revision + 1)? {
                        // A lease under which there is nothing ends without a commit.
                        Ok(changes) if changes.is_empty() => Ok(Done::Closed),
                        Ok(changes) => {
                            revision += 1;
                            committed.push(Committed { revision, changes, whole: true });
                            Ok(Done::Closed)
                        }
                        Err(error) => Err(error),
                    }
                }
                Request::Commit { ops, .. } => {
                    let ended =
                        |lease: &LeaseId| closed.contains(lease) || !self.leases.is_open(*lease);
                    match ops.iter().filter_map(Op::lease).any(|lease| ended(&lease)) {
                        true => Err(CommitError::LeaseEnded),
                        false => self.savepoint(ops, revision + 1)?.map(|changes| {
                            revision += 1;
                            committed.push(Committed { revision, changes, whole: true });
                            Done::Committed(revision)
                        }),
                    }
                }
                Request::Close => unreachable!("it is in no batch"),
            };
            results.push(result);
        }
        self.set_counter("revision", revision as i64)?;
        self.set_counter("lease", last_lease)?;
        self.execute("COMMIT")?;
        (self.revision, self.last_lease) = (revision, last_lease);
        let ordinary = batch.iter().any(|request| !is_urgent(request));
        Ok(Written { results, committed, ordinary })
    }

    fn answer(&mut self, batch: Vec<Request>, results: Vec<Result<Done, CommitError>>) {
        for (request, result) in batch.into_iter().zip(results) {
            // A caller that is gone needs no answer.
            match (request, result) {
                (Request::Commit { reply, .. }, Ok(Done::Committed(revision))) => {
                    let _ = reply.send(Ok(revision));
                }
                (Request::Commit { reply, .. }, Err(error)) => {
                    let _ = reply.send(Err(error));
                }
                (Request::OpenLease { reply }, Ok(Done::Opened(id))) => {
                    let _ = reply.send(Ok(self.leases.open(id)));
                }
                (Request::CloseLease { lease, reply }, _) => {
                    self.leases.end(lease);
                    let _ = reply.send(Ok(()));
                }
                (Request::Commit { .. } | Request::OpenLease { .. } | Request::Close, _) => {
                    unreachable!("each request has its own result")
                }
            }
        }
    }

    /// The inner error is the commit's own; the outer one means that the batch is lost.
    fn savepoint(
        &self,
        ops: &[Op],
        revision: u64,
    ) -> rusqlite::Result<Result<Vec<RecordChange>, CommitError>> {
        self.execute("SAVEPOINT one")?;
        let mut changes = Vec::with_capacity(ops.len());
        for (operation, op) in ops.iter().enumerate() {
            match self.apply(op, revision)? {
                Applied::Checked => {}
                Applied::Changed(change) => changes.push(change),
                Applied::Conflict => {
                    self.execute("ROLLBACK TO one; RELEASE one")?;
                    let path = op.path().clone();
                    return Ok(Err(CommitError::Conflict { operation, path }));
                }
            }
        }
        self.execute("RELEASE one")?;
        Ok(Ok(changes))
    }

    fn apply(&self, op: &Op, revision: u64) -> rusqlite::Result<Applied> {
        let path = op.path().as_str();
        let rows = match op {
            Op::Check { version, .. } => {
                let found: Option<i64> = self
                    .connection
                    .prepare_cached("SELECT version FROM record WHERE path = ?1")
                    .and_then(|mut query| query.query_row([path], |row| row.get(0)).optional())?;
                let holds = found == Some(*version as i64);
                return Ok(if holds { Applied::Checked } else { Applied::Conflict });
            }
            Op::Create { value, lease, .. } => self.change(
                "INSERT INTO record (path, version, revision, lease, value)
                 VALUES (?1, 1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![path, revision as i64, lease.map(|lease| lease.0), value],
            )?,
            Op::Put { value, version, .. } => self.change(
                "UPDATE record SET value = ?1, version = version + 1, revision = ?2
                 WHERE path = ?3 AND version = ?4",
                params![value, revision as i64, path, *version as i64],
            )?,
            Op::Delete { path, version } => {
                let (from, to) = path.range_below();
                self.change(
                    "DELETE FROM record WHERE path = ?1 AND version = ?2 AND NOT EXISTS
                     (SELECT 1 FROM record WHERE path >= ?3 AND path < ?4)",
                    params![path.as_str(), *version as i64, from, to],
                )?
            }
        };
        if rows == 0 {
            return Ok(Applied::Conflict);
        }
        let record = |version, value: &Vec<u8>| {
            Some(Record { path: op.path().clone(), version, revision, value: value.clone() })
        };
        let record = match op {
            Op::Create { value, .. } => record(1, value),
            Op::Put { value, version, .. } => record(version + 1, value),
            Op::Check { .. } | Op::Delete { .. } => None,
        };
        Ok(Applied::Changed(RecordChange { path: op.path().clone(), record }))
    }

    fn leased(&self, lease: LeaseId) -> rusqlite::Result<Vec<Op>> {
        self.connection
            .prepare_cached("SELECT path, version FROM record WHERE lease = ?1")?
            .query_map([lease.0], |row| {
                Ok(Op::Delete {
                    path: StorePath::from_stored(row.get(0)?),
                    version: row.get::<_, i64>(1)? as u64,
                })
            })?
            .collect()
    }

    fn set_counter(&self, name: &str, value: i64) -> rusqlite::Result<()> {
        self.change("UPDATE counter SET value = ?1 WHERE name = ?2", params![value, name])?;
        Ok(())
    }

    fn change(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch(sql)
    }

    /// What an error in writing means. SQLite knows a full disk, but takes a quota and a limit of
    /// file sizes for a broken one.
    fn meaning(&self, error: rusqlite::Error) -> StoreError {
        const MAY_BE_FULL: [i32; 2] = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
        match &error {
            rusqlite::Error::SqliteFailure(ffi::Error { extended_code, .. }, _)
                if MAY_BE_FULL.contains(extended_code) && self.reserve.has_no_room_beside() =>
            {
                StoreError::Full
            }
            _ => failed(error),
        }
    }
}

enum Applied {
    Checked,
    Changed(RecordChange),
    Conflict,
}
