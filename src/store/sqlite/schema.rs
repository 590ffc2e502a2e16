use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::failed;
use crate::store::StoreError;

pub(super) const FORMAT: i64 = 1;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE record (
        path     TEXT PRIMARY KEY,
        version  INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        lease    INTEGER,
        value    BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_by_lease ON record (lease) WHERE lease IS NOT NULL;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    INSERT INTO counter VALUES ('revision', 0), ('lease', 0);
    PRAGMA user_version = 1;
";

/// Opens or makes the file, durable on every commit, without what earlier owners leased.
pub(super) fn open(file: &Path) -> Result<Connection, StoreError> {
    make_private(file).map_err(|error| StoreError::Failed(error.to_string()))?;
    let mut connection = Connection::open(file).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    match found {
        0 => {
            let transaction = connection.transaction().map_err(failed)?;
            transaction.execute_batch(TABLES).map_err(failed)?;
            transaction.commit().map_err(failed)?;
        }
        FORMAT => {}
        found => return Err(StoreError::TooNew { found, known: FORMAT }),
    }
    connection.execute("DELETE FROM record WHERE lease IS NOT NULL", []).map_err(failed)?;
    Ok(connection)
}

/// Makes the file if it is missing, and sees to it that it and those beside it are their owner's
/// alone. SQLite makes the latter with the mode of the former.
fn make_private(file: &Path) -> io::Result<()> {
    const OWNERS_ALONE: u32 = 0o600;
    OpenOptions::new().append(true).create(true).mode(OWNERS_ALONE).open(file)?;
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        match fs::set_permissions(&path, fs::Permissions::from_mode(OWNERS_ALONE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    Ok(connection)
}
