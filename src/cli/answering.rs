//! The first look at the file systems that a verb works on: one that never answers would hold it up
//! without a word.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::shell_word;
use crate::{
    config::StateDir,
    model::{Code, Failure, StorageLayout},
    rt::first_silent,
};

/// How long they have to answer, where nobody has said.
pub const LONGEST: Duration = Duration::from_secs(10);

pub fn state_answers(state: &StateDir, longest: Duration) -> Result<(), Failure> {
    let files = [state.lock(), state.identity(), state.coordinator()];
    all_answer([state.path().to_owned()].into_iter().chain(files), longest)
}

pub fn storage_answers(storage: &Path, longest: Duration) -> Result<(), Failure> {
    let layout = StorageLayout::of(storage);
    let below = [layout.instances(), layout.logs(), layout.secrets()];
    all_answer([storage.to_owned()].into_iter().chain(below), longest)
}

fn all_answer(paths: impl Iterator<Item = PathBuf>, longest: Duration) -> Result<(), Failure> {
    let longest = longest.min(LONGEST);
    let silent = first_silent(paths.collect(), longest, |path: &PathBuf| {
        // What is wrong with what answers is told by whoever needs it.
        if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
            let _ = fs::read_dir(path).map(|mut entries| entries.next().is_some());
        }
    });
    let Some(path) = silent else { return Ok(()) };
    let seconds = longest.as_secs_f64();
    let message = format!("the file system of {} has not answered for {seconds} s", path.display());
    let shown = shell_word(&path.to_string_lossy());
    Err(Failure::new(Code::StorageSilent, message).with_fix(format!(
        "'findmnt -T {shown}' says which file system that is, and where (TARGET); 'umount -f -l TARGET' and 'mount TARGET' mount it anew. Then repeat the command."
    )))
}
