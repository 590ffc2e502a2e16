use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use crate::model::CoordinatorLayout;

/// The revision that was acknowledged last, beside the datastore. SQLite takes what is damaged at the
/// end of its log for what was never finished; a datastore with an earlier revision than this one has
/// lost changes. It is not synced, so that it costs nothing: it may be behind, and is never ahead.
pub(super) struct Noted(Option<File>);

/// The number, and the same with all bits the other way round.
const LENGTH: usize = 16;

impl Noted {
    /// What is noted of the datastore in `store`. That it cannot be noted stops nothing.
    pub(super) fn beside(store: &Path) -> Self {
        let file = store.with_file_name(CoordinatorLayout::REVISION);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let opened = options.open(&file);
        if let Err(error) = &opened {
            tracing::warn!(file = %file.display(), %error, "the last revision cannot be noted in {}: {error}", file.display());
        }
        Self(opened.ok())
    }

    /// How many acknowledged changes a datastore with this revision has no longer.
    pub(super) fn lost(&self, revision: u64) -> u64 {
        let noted = self.revision().unwrap_or(0);
        // One that was just made has lost nothing.
        if revision == 0 { 0 } else { noted.saturating_sub(revision) }
    }

    pub(super) fn note(&self, revision: u64) {
        let Some(file) = &self.0 else { return };
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&revision.to_le_bytes());
        bytes[8..].copy_from_slice(&(!revision).to_le_bytes());
        // Without it a loss is not noticed, and nothing else is amiss.
        let _ = file.write_all_at(&bytes, 0);
    }

    /// `None` if nothing is noted, or what is there is no such note.
    fn revision(&self) -> Option<u64> {
        let mut bytes = [0; LENGTH];
        self.0.as_ref()?.read_exact_at(&mut bytes, 0).ok()?;
        let (revision, check) = bytes.split_at(LENGTH / 2);
        let [revision, check] =
            [revision, check].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes")));
        (check == !revision).then_some(revision)
    }
}
