use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Mutex,
};

use crate::{
    agent::{Progress, Step},
    host::{open_dir::OpenDir, service::invoking_user},
    model::{Failure, printable::escaped},
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
        // Whoever called this through sudo will want to read it.
        let caller = invoking_user();
        files::create_private_dir(storage_path)?;
        let storage = OpenDir::open(storage_path)?.ok_or(io::ErrorKind::NotFound)?;
        let logs = storage.dir_or_make("logs", caller, 0o700)?;
        let dir = logs.dir_or_make("bootstrap-logs", caller, 0o700)?;
        dir.remove_file("bootstrap.log")?;
        let file = dir.create_file("bootstrap.log", caller)?;
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
        self.write("INFO", &format!("{}: {}", step.name(), escaped(result)));
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
