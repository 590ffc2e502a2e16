use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, fchown},
    path::Path,
    sync::Mutex,
};

use crate::{
    agent::{Progress, Step},
    host::service::invoking_user,
    model::Failure,
    rt::{Clock, files},
};

/// The line that automation made for ECE waits for.
const END_OF_SUCCESS: &str = "[no.found.util.LogApplicationExit$] Application is exiting {}";

/// The log of setting up a first host, under the host storage path, beside whatever else is
/// told. Each run starts a fresh one.
pub struct BootstrapLog<'a> {
    file: Mutex<File>,
    clock: Clock,
    beside: &'a dyn Progress,
}

impl<'a> BootstrapLog<'a> {
    pub fn start(storage_path: &Path, beside: &'a dyn Progress) -> io::Result<Self> {
        let dir = storage_path.join("logs/bootstrap-logs");
        files::create_private_dir(&dir)?;
        let path = dir.join("bootstrap.log");
        files::remove(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // Whoever called this through sudo will want to read it.
        let caller = invoking_user();
        fchown(&file, Some(caller.uid), Some(caller.gid))?;
        Ok(Self { file: Mutex::new(file), clock: Clock::system(), beside })
    }

    /// Everything else is on disk: say so.
    pub fn success(&self) {
        self.write("INFO", END_OF_SUCCESS);
    }

    pub fn failure(&self, failure: &Failure) {
        self.write("ERROR", &failure.to_string());
    }

    fn write(&self, level: &str, text: &str) {
        let mut file = self.file.lock().expect("no panic while held");
        // An installation must not fail because its log does.
        let _ = writeln!(file, "[{}][{level}] {text}", self.clock.now());
        let _ = file.sync_data();
    }
}

impl Progress for BootstrapLog<'_> {
    fn started(&self, step: Step) {
        self.beside.started(step);
    }

    fn finished(&self, step: Step, result: &str) {
        self.write("INFO", &format!("{}: {result}", step.name()));
        self.beside.finished(step, result);
    }

    fn waiting(&self, reason: &Failure) {
        self.beside.waiting(reason);
    }

    fn warning(&self, failure: &Failure) {
        self.write("WARN", &failure.to_string());
        self.beside.warning(failure);
    }
}
