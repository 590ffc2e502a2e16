use std::{
    fs,
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
    held: bool,
}

impl Reserve {
    /// The reserve of the datastore in `store`.
    pub(super) fn beside(store: &Path) -> Self {
        let size = store.parent().and_then(|dir| disk::size_of_disk(dir).ok());
        let bytes = size.map_or(BYTES, |size| BYTES.min(size / SHARE));
        Self { file: store.with_file_name("store.reserve"), bytes, held: false }
    }

    /// Takes the room, unless it is taken already; whether it is now.
    pub(super) fn hold(&mut self) -> bool {
        if !self.held {
            self.held = disk::allocate(&self.file, self.bytes).is_ok();
            if self.held {
                tracing::debug!(bytes = self.bytes, "room is kept back on the disk");
            }
        }
        self.held
    }

    /// Gives the room up; whether there was any.
    pub(super) fn release(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        if held {
            tracing::error!(
                "the disk that holds the datastore is full: hosts, keys and tokens can be removed, and nothing else changed"
            );
        }
        held && fs::remove_file(&self.file).is_ok()
    }
}
