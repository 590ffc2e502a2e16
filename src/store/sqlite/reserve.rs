use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::rt::disk;

/// Bytes that are kept back on a disk of ordinary size. What takes access away writes a few pages
/// at a time, and the log is cut off at 4 MiB.
const BYTES: u64 = 16 << 20;

/// On a small disk, this part of it.
const SHARE: u64 = 16;

/// What is tried to see whether the datastore could grow: more than any write of SQLite's.
const TRIED: usize = 128 * 1024;

/// A file that takes up room on the disk of the datastore. When the disk is full it goes, and what
/// must always work has its room.
pub(super) struct Reserve {
    store: PathBuf,
    file: PathBuf,
    bytes: u64,
    room: Room,
}

/// What became of the room that is to be kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Held,
    /// The disk has not so much room, or somebody is using it up.
    Missing,
    /// It cannot be kept back here, for a reason that is not a full disk.
    Impossible,
}

impl Reserve {
    /// The reserve of the datastore in `store`.
    pub(super) fn beside(store: &Path) -> Self {
        let size = store.parent().and_then(|dir| disk::size_of_disk(dir).ok());
        Self::of(store, size.map_or(BYTES, |size| BYTES.min(size / SHARE)))
    }

    pub(super) fn of(store: &Path, bytes: u64) -> Self {
        let file = store.with_file_name("store.reserve");
        Self { store: store.to_owned(), file, bytes, room: Room::Missing }
    }

    /// Keeps the room back, unless it is; whether there is room for ordinary changes.
    pub(super) fn hold(&mut self) -> bool {
        if self.room == Room::Missing {
            self.room = match disk::allocate(&self.file, self.bytes) {
                Ok(()) => Room::Held,
                Err(error) if is_full(&error) => Room::Missing,
                Err(error) => {
                    let file = self.file.display();
                    tracing::error!(%file, %error, "no room can be kept back for a full disk in {file}: {error}");
                    Room::Impossible
                }
            };
        }
        self.room != Room::Missing
    }

    /// Gives the room up; whether there was any.
    pub(super) fn release(&mut self) -> bool {
        let held = self.room == Room::Held;
        self.room = Room::Missing;
        held && fs::remove_file(&self.file).is_ok()
    }

    /// Whether a file beside the datastore, as long as it and its log, could not grow.
    pub(super) fn has_no_room_beside(&self) -> bool {
        let log = self.store.with_extension("db-wal");
        let length = |file| fs::metadata(file).map_or(0, |found| found.len());
        let longest = length(&self.store).max(length(&log));
        let tried = disk::try_to_grow(&self.store.with_extension("trial"), longest, TRIED);
        tried.is_err_and(|error| is_full(&error))
    }

    /// The same for one that an earlier process has left.
    pub(super) fn release_left_over(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
