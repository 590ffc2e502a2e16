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

/// A file that takes up room on the disk of the datastore. When the disk is full it goes, and what
/// must always work has its room.
pub(super) struct Reserve {
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
        Self { file: store.with_file_name("store.reserve"), bytes, room: Room::Missing }
    }

    /// Keeps the room back, unless it is; whether there is room for ordinary changes.
    pub(super) fn hold(&mut self) -> bool {
        if self.room == Room::Missing {
            self.room = match disk::allocate(&self.file, self.bytes) {
                Ok(()) => Room::Held,
                Err(error) if is_full(&error) => Room::Missing,
                Err(error) => {
                    let file = self.file.display();
                    tracing::error!(%file, %error, "no room can be kept back for a full disk");
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

    /// The same for one that an earlier process has left.
    pub(super) fn release_left_over(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
