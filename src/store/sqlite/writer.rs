use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, ffi, params};
use tokio::sync::{mpsc, oneshot};

use super::{failed, reserve::Reserve};
use crate::store::{
    Change, CommitError, Committed, LeaseId, Op, Record, Room, StoreError, StorePath, watch::Feed,
};

/// Commits that share one sync of the disk at most.
const BATCH: usize = 256;

pub(super) enum Request {
    Commit { room: Room, ops: Vec<Op>, reply: oneshot::Sender<Result<u64, CommitError>> },
    OpenLease { reply: oneshot::Sender<Result<LeaseId, StoreError>> },
    CloseLease { lease: LeaseId, reply: oneshot::Sender<Result<(), StoreError>> },
}

/// The only one who writes. It takes what has queued up, gives each commit a savepoint of its
/// own, syncs once, and only then tells the watches and the callers.
pub(super) struct Writer {
    connection: Connection,
    feed: Arc<Feed>,
    reserve: Reserve,
    disk: Disk,
    revision: u64,
    lease: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    HasRoom,
    Full,
}

/// What is tried when the disk is full, one after the other.
enum Step {
    CutLog,
    UseReserve,
}

/// A batch that is on disk: what to say to each caller, and to the watches.
struct Written {
    results: Vec<Result<i64, CommitError>>,
    committed: Vec<Committed>,
    /// Something was in it that may not use the reserve.
    ordinary: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        feed: Arc<Feed>,
        reserve: Reserve,
    ) -> Result<Self, StoreError> {
        let counter = |name: &str| {
            connection.query_row("SELECT value FROM counter WHERE name = ?1", [name], |row| {
                row.get::<_, i64>(0)
            })
        };
        let revision = counter("revision").map_err(failed)? as u64;
        let lease = counter("lease").map_err(failed)?;
        Ok(Self { connection, feed, reserve, disk: Disk::HasRoom, revision, lease })
    }

    /// Works until nobody can ask any more or the disk can no longer be relied on.
    pub(super) fn run(&mut self, mut queue: mpsc::Receiver<Request>) -> StoreError {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = queue.try_recv()
            {
                batch.push(next);
            }
            if let Err(error) = self.carry_out(batch) {
                return error;
            }
        }
        StoreError::Failed("it was closed".into())
    }

    /// Writes the batch and answers its callers. An error means that the disk can no longer be
    /// relied on.
    fn carry_out(&mut self, mut batch: Vec<Request>) -> Result<(), StoreError> {
        let mut steps = [Step::CutLog, Step::UseReserve].into_iter();
        if !self.reserve.hold() {
            self.note(Disk::Full);
            batch = without_ordinary(batch);
        }
        while !batch.is_empty() {
            let written = self.write(&batch);
            let error = match written {
                Ok(Written { results, committed, ordinary }) => {
                    for commit in committed {
                        self.feed.send(commit);
                    }
                    answer(batch, results);
                    if ordinary {
                        self.note(Disk::HasRoom);
                    }
                    return Ok(());
                }
                Err(error) => self.meaning(error),
            };
            // A full disk took nothing; after any other failure what is on disk is not known, and
            // going on could contradict what was promised.
            let rolled_back = self.connection.is_autocommit()
                || self.connection.execute_batch("ROLLBACK").is_ok();
            if error != StoreError::Full || !rolled_back {
                refuse(batch, &error);
                return Err(error);
            }
            match steps.next() {
                Some(Step::CutLog) => self.cut_log(),
                Some(Step::UseReserve) => {
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
        match disk {
            Disk::Full => tracing::error!(
                "the disk that holds the datastore is full: hosts, roles, keys and tokens can be taken away, and nothing else changed"
            ),
            Disk::HasRoom => tracing::info!("the disk that holds the datastore has room again"),
        }
    }

    fn write(&mut self, batch: &[Request]) -> rusqlite::Result<Written> {
        let (mut revision, mut lease) = (self.revision, self.lease);
        let mut results = Vec::with_capacity(batch.len());
        let mut committed = Vec::with_capacity(batch.len());
        self.execute("BEGIN IMMEDIATE")?;
        for request in batch {
            let result = match request {
                Request::OpenLease { .. } => {
                    lease += 1;
                    Ok(lease)
                }
                Request::CloseLease { lease, .. } => {
                    let ops = self.leased(*lease)?;
                    self.savepoint(&ops, revision + 1)?.map(|changes| {
                        revision += 1;
                        committed.push(Committed { revision, changes });
                        0
                    })
                }
                Request::Commit { ops, .. } => self.savepoint(ops, revision + 1)?.map(|changes| {
                    revision += 1;
                    committed.push(Committed { revision, changes });
                    revision as i64
                }),
            };
            results.push(result);
        }
        self.set_counter("revision", revision as i64)?;
        self.set_counter("lease", lease)?;
        self.execute("COMMIT")?;
        (self.revision, self.lease) = (revision, lease);
        let ordinary = batch.iter().any(|request| !is_urgent(request));
        Ok(Written { results, committed, ordinary })
    }

    /// The inner error is the commit's own; the outer one means that the batch is lost.
    fn savepoint(
        &self,
        ops: &[Op],
        revision: u64,
    ) -> rusqlite::Result<Result<Vec<Change>, CommitError>> {
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
            Op::Delete { version, .. } => self.change(
                "DELETE FROM record WHERE path = ?1 AND version = ?2",
                params![path, *version as i64],
            )?,
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
        Ok(Applied::Changed(Change { path: op.path().clone(), record }))
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
    Changed(Change),
    Conflict,
}

/// What may use the reserve; the others hear that the disk is full.
fn without_ordinary(batch: Vec<Request>) -> Vec<Request> {
    let (urgent, ordinary): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_urgent);
    refuse(ordinary, &StoreError::Full);
    urgent
}

fn is_urgent(request: &Request) -> bool {
    matches!(request, Request::Commit { room: Room::Reserve, .. })
}

fn answer(batch: Vec<Request>, results: Vec<Result<i64, CommitError>>) {
    for (request, result) in batch.into_iter().zip(results) {
        // A caller that is gone needs no answer.
        match request {
            Request::Commit { reply, .. } => {
                let _ = reply.send(result.map(|revision| revision as u64));
            }
            Request::OpenLease { reply } => {
                let _ = reply.send(Ok(LeaseId(result.unwrap_or_default())));
            }
            Request::CloseLease { reply, .. } => {
                let _ = reply.send(Ok(()));
            }
        }
    }
}

fn refuse(batch: Vec<Request>, error: &StoreError) {
    for request in batch {
        match request {
            Request::Commit { reply, .. } => {
                let _ = reply.send(Err(error.clone().into()));
            }
            Request::OpenLease { reply } => {
                let _ = reply.send(Err(error.clone()));
            }
            Request::CloseLease { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
