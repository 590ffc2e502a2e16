//! A file among the instances by which a host knows its storage path again: without its disk
//! mounted there would be an empty directory in its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    config::StateDir,
    model::{Code, Failure, StorageLayout},
    rt::files,
};

const MAX_FILE: u64 = 4 << 10;

/// What the state directory says of the storage path.
#[derive(Serialize, Deserialize)]
struct Note {
    storage_path: PathBuf,
    marker: Uuid,
}

#[derive(Debug, Clone)]
pub struct StorageMarker {
    note: PathBuf,
    storage: PathBuf,
}

impl StorageMarker {
    pub fn of(state: &StateDir, storage: &Path) -> Self {
        Self { note: state.storage_note(), storage: storage.to_owned() }
    }

    pub fn instances(&self) -> PathBuf {
        self.layout().instances()
    }

    fn layout(&self) -> StorageLayout<'_> {
        StorageLayout::of(&self.storage)
    }

    /// Fails where the host has had this storage path, and what is there now is something else.
    pub fn must_be_there(&self) -> Result<(), Failure> {
        let Some(noted) = self.noted() else { return Ok(()) };
        let is_there = match self.found() {
            Some(found) => found == noted,
            // The directory may have been removed, and its disk is there; or it is closed, which is
            // another matter.
            None => self.layout().claim().symlink_metadata().is_ok() || self.is_closed(),
        };
        if is_there {
            return Ok(());
        }
        let message = format!(
            "{} is not the storage path that this host had: its marker is missing; is a disk not mounted?",
            self.storage.display()
        );
        Err(Failure::new(Code::StorageMissing, message))
    }

    /// Puts the marker beside the instances, and notes it.
    pub fn put(&self) -> io::Result<()> {
        let (noted, found) = (self.noted(), self.found());
        let marker = noted.or(found).unwrap_or_else(Uuid::new_v4);
        if found != Some(marker) {
            let text = format!("{marker}\n");
            files::write_private(&self.layout().marker(), text.as_bytes())?;
        }
        if noted != Some(marker) {
            let note = Note { storage_path: self.storage.clone(), marker };
            let note = serde_json::to_vec(&note).expect("plain data");
            files::write_private(&self.note, &note)?;
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        let looked = self.layout().marker().symlink_metadata();
        looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    fn noted(&self) -> Option<Uuid> {
        let content = files::read_kept(&self.note, MAX_FILE).ok().flatten()?;
        let note: Note = serde_json::from_slice(&content).ok()?;
        (note.storage_path == self.storage).then_some(note.marker)
    }

    fn found(&self) -> Option<Uuid> {
        let content = files::read_kept(&self.layout().marker(), MAX_FILE).ok().flatten()?;
        std::str::from_utf8(&content).ok()?.trim().parse().ok()
    }
}

/// How many instances keep their data in a directory.
pub fn instances_in(dir: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        count += usize::from(entry?.file_name() != StorageLayout::MARKER);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_in_the_place_of_a_storage_path_is_told_from_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = StateDir::new(dir.path().join("state"));
        let storage = dir.path().join("storage");
        let marker = StorageMarker::of(&state, &storage);
        fs::create_dir_all(marker.instances()).expect("made");
        fs::create_dir(state.path()).expect("made");
        marker.must_be_there().expect("it was never there");
        marker.put().expect("put");
        marker.must_be_there().expect("there");
        assert_eq!(instances_in(&marker.instances()).expect("counted"), 0);
        let disk = dir.path().join("disk");
        fs::rename(&storage, &disk).expect("unmounted");
        for make in [&storage, &marker.instances()] {
            let missing = marker.must_be_there().expect_err("missing");
            assert!(missing.is(Code::StorageMissing), "{missing}");
            fs::create_dir(make).expect("made");
        }
        marker.must_be_there().expect_err("another directory");
        // What install has put there says that only the instances' directory is new.
        fs::write(StorageLayout::of(&storage).claim(), "").expect("written");
        marker.must_be_there().expect("there");
        fs::remove_dir_all(&storage).expect("removed");
        fs::rename(&disk, &storage).expect("mounted");
        marker.must_be_there().expect("there again");
        StorageMarker::of(&state, dir.path()).must_be_there().expect("another path");
    }
}
