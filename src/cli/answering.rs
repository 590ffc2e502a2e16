//! Looks at the file systems that a verb works on: one that never answers would hold it up without a
//! word, at once or in the middle of its work.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use super::{output::Output, shell_word};
use crate::{
    config::StateDir,
    model::{Code, Failure, StorageLayout},
    rt::first_silent,
};

/// How long they have to answer, where nobody has said.
pub const LONGEST: Duration = Duration::from_secs(10);

/// The same of a daemon, which waits for others all the time. A service that starts again after
/// that, with its own pause, does not start too often.
const LONGEST_AT_START: Duration = Duration::from_secs(30);

/// Between two looks while a verb is at work.
const PAUSE: Duration = Duration::from_secs(1);

pub fn state_answers(state: &StateDir, longest: Duration) -> Result<(), Failure> {
    all_answer(places_of_state(state), longest.min(LONGEST))
}

pub fn state_answers_at_start(state: &StateDir) -> Result<(), Failure> {
    all_answer(places_of_state(state), LONGEST_AT_START)
}

pub fn storage_answers(storage: &Path, longest: Duration) -> Result<(), Failure> {
    all_answer(places_of_storage(storage), longest.min(LONGEST))
}

fn places_of_state(state: &StateDir) -> Vec<PathBuf> {
    vec![given(state.path()), state.lock(), state.identity(), state.coordinator()]
}

fn places_of_storage(storage: &Path) -> Vec<PathBuf> {
    let layout = StorageLayout::of(storage);
    vec![given(storage), layout.instances(), layout.logs(), layout.secrets()]
}

/// A path that may be a link, as whoever named it wanted. What is below belongs to the service's user,
/// who could lead whoever looks elsewhere: a link there is not followed, and this one is for the slash
/// at its end.
fn given(path: &Path) -> PathBuf {
    path.join("")
}

fn all_answer(places: Vec<PathBuf>, longest: Duration) -> Result<(), Failure> {
    match silent(places, longest) {
        Some(place) => Err(is_silent(&place, longest)),
        None => Ok(()),
    }
}

fn silent(places: Vec<PathBuf>, longest: Duration) -> Option<PathBuf> {
    first_silent(places, longest, |place: &PathBuf| {
        // What is wrong with what answers is told by whoever needs it.
        if fs::symlink_metadata(place).is_ok_and(|found| found.is_dir()) {
            let _ = fs::read_dir(place).map(|mut entries| entries.next().is_some());
        }
    })
}

fn is_silent(place: &Path, longest: Duration) -> Failure {
    let (seconds, place) = (longest.as_secs_f64(), place.components().as_path());
    let message =
        format!("the file system of {} has not answered for {seconds} s", place.display());
    let shown = shell_word(&place.to_string_lossy());
    Failure::new(Code::StorageSilent, message).with_fix(format!(
        "'findmnt -T {shown}' says which file system that is, and where (TARGET); 'umount -f -l TARGET' and 'mount TARGET' mount it anew. Then repeat the command."
    ))
}

/// How long the last words may take, which may be for a file system that is silent too.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Whatever a verb does with them, it ends when its file systems fall silent; until this is dropped.
#[derive(Debug)]
pub struct Watched(Arc<AtomicBool>);

impl Watched {
    pub fn state(state: &StateDir) -> Self {
        Self::all(places_of_state(state), |_| ())
    }

    pub fn state_and_storage(state: &StateDir, storage: &Path) -> Self {
        Self::state_and_storage_telling(state, storage, |_| ())
    }

    /// `told` hears why the process ends, where others look for that too. Nobody waits for it long.
    pub fn state_and_storage_telling(
        state: &StateDir,
        storage: &Path,
        told: impl FnOnce(&Failure) + Send + 'static,
    ) -> Self {
        let places = places_of_state(state).into_iter().chain(places_of_storage(storage));
        Self::all(places.collect(), told)
    }

    fn all(places: Vec<PathBuf>, told: impl FnOnce(&Failure) + Send + 'static) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let is_told = is_over.clone();
        // Where no thread can be started the work goes on unwatched.
        let _ = thread::Builder::new().spawn(move || {
            let mut before = false;
            while !is_told.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                let found = silent(places.clone(), LONGEST / 2);
                match found.filter(|_| !is_told.load(Ordering::Relaxed)) {
                    Some(place) if before => {
                        let failure = is_silent(&place, LONGEST);
                        let why = failure.clone();
                        within(LAST_WORDS, move || told(&why));
                        end_process(&failure)
                    }
                    // A process that was stopped has not looked.
                    found => before = found.is_some(),
                }
            }
        });
        Self(is_over)
    }

    pub fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

/// Does it, and waits no longer than this.
fn within(longest: Duration, work: impl FnOnce() + Send + 'static) {
    let (tell, done) = channel();
    let _ = thread::Builder::new().spawn(move || {
        work();
        let _ = tell.send(());
    });
    let _ = done.recv_timeout(longest);
}

pub fn end_process(failure: &Failure) -> ! {
    let arguments: Vec<OsString> = env::args_os().collect();
    Output::from_arguments(&arguments).failure(failure);
    process::exit(failure.exit() as i32)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn last_words_are_waited_for_and_not_for_ever() {
        let (said, heard) = channel();
        within(Duration::from_secs(60), move || said.send(()).expect("heard"));
        heard.try_recv().expect("it was said");
        let (_open, never) = channel::<()>();
        let began = Instant::now();
        within(Duration::from_millis(50), move || {
            let _ = never.recv();
        });
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
