use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

use crate::{
    agent::{Progress, Step},
    host::{open_dir::OpenDir, service::invoking_user, tree::Owner},
    model::{Failure, StorageLayout, printable::escaped},
    preflight::unusable,
    rt::{Clock, files},
};

/// The line that automation made for ECE waits for.
const END_OF_SUCCESS: &str = "[no.found.util.LogApplicationExit$] Application is exiting {}";

const NAME: &str = StorageLayout::BOOTSTRAP_LOG;
const EARLIER: &str = StorageLayout::EARLIER_BOOTSTRAP_LOG;
/// How much of the earlier runs is kept, in bytes.
const MAX_EARLIER: usize = 1 << 20;
const MAX_LOG: u64 = 16 << 20;

/// The log of setting up a first host, under the host storage path. Each run begins a fresh one,
/// so that nobody takes an old success for a new one; what was there is kept beside it.
pub struct BootstrapLog {
    storage: Option<PathBuf>,
    file: OnceLock<Mutex<File>>,
    clock: Clock,
}

impl BootstrapLog {
    pub fn of(storage: PathBuf) -> Self {
        Self { storage: Some(storage), file: OnceLock::new(), clock: Clock::system() }
    }

    /// For what has no such log.
    pub fn none() -> Self {
        Self { storage: None, file: OnceLock::new(), clock: Clock::system() }
    }

    /// Begins anew if there is one of an earlier run. One that is somebody else's stays.
    pub fn renew(&self) -> Result<(), Failure> {
        let Some(storage) = &self.storage else { return Ok(()) };
        let renewed = log_dir(storage).and_then(|dir| match dir {
            Some(dir) => self.begin_in(&dir, invoking_user()),
            None => Ok(()),
        });
        match renewed {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                Err(unusable(&StorageLayout::of(storage).bootstrap_logs(), &error))
            }
            _ => Ok(()),
        }
    }

    /// Begins, unless that was done.
    pub fn begin(&self) -> Result<(), Failure> {
        match &self.storage {
            Some(storage) if self.file.get().is_none() => self
                .make_in(storage)
                .map_err(|error| unusable(&StorageLayout::of(storage).bootstrap_logs(), &error)),
            _ => Ok(()),
        }
    }

    fn make_in(&self, storage: &Path) -> io::Result<()> {
        // Whoever called this through sudo will want to read it.
        let caller = invoking_user();
        files::create_private_dir(storage)?;
        let storage = OpenDir::open(storage)?.ok_or(io::ErrorKind::NotFound)?;
        let logs = storage.dir_or_make(StorageLayout::LOGS, caller, 0o700)?;
        self.begin_in(&logs.dir_or_make(StorageLayout::BOOTSTRAP_LOGS, caller, 0o700)?, caller)
    }

    fn begin_in(&self, dir: &OpenDir, caller: Owner) -> io::Result<()> {
        if let Some(before) = dir.file(NAME)? {
            let mut kept = match dir.file(EARLIER)? {
                Some(file) => file.read(MAX_LOG)?,
                None => Vec::new(),
            };
            kept.extend(before.read(MAX_LOG)?);
            let from = kept.len().saturating_sub(MAX_EARLIER);
            dir.replace_file(EARLIER, &kept[from..], caller)?;
            dir.remove_file(NAME)?;
        }
        let _begun_once = self.file.set(Mutex::new(dir.create_file(NAME, caller)?));
        Ok(())
    }

    /// Everything else is on disk: say so.
    pub fn success(&self) {
        self.write("INFO", END_OF_SUCCESS);
    }

    pub fn failure(&self, failure: &Failure) {
        self.write("ERROR", &failure.to_string());
    }

    fn write(&self, level: &str, text: &str) {
        let Some(file) = self.file.get() else { return };
        let mut file = file.lock().expect("no panic while held");
        // An installation must not fail because its log does.
        let _ = writeln!(file, "[{}][{level}] {text}", self.clock.now());
        let _ = file.sync_data();
    }

    /// What is told goes into the log too.
    pub fn beside<'a>(&'a self, told: &'a dyn Progress) -> Logged<'a> {
        Logged { log: self, told }
    }
}

fn log_dir(storage: &Path) -> io::Result<Option<OpenDir>> {
    let Some(storage) = OpenDir::open(storage)? else { return Ok(None) };
    let Some(logs) = storage.dir(StorageLayout::LOGS)? else { return Ok(None) };
    logs.dir(StorageLayout::BOOTSTRAP_LOGS)
}

pub struct Logged<'a> {
    log: &'a BootstrapLog,
    told: &'a dyn Progress,
}

impl Progress for Logged<'_> {
    fn started(&self, step: Step) {
        self.told.started(step);
    }

    fn finished(&self, step: Step, result: &str) {
        self.log.write("INFO", &format!("{}: {}", step.name(), escaped(result)));
        self.told.finished(step, result);
    }

    fn waiting(&self, reason: &Failure) {
        self.told.waiting(reason);
    }

    fn warning(&self, failure: &Failure) {
        self.log.write("WARN", &failure.to_string());
        self.told.warning(failure);
    }
}
