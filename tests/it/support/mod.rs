mod api;
mod cluster;
mod command;
mod dead_mount;
mod disk;
mod lab;
mod raw;
mod schema;
mod terminal;

pub use api::Reply;
pub use cluster::{Cluster, Host};
pub use command::{Finished, agent, agent_path, disk_failure_library, has_asked, hold_lock};
pub use dead_mount::DeadMount;
pub use disk::SmallDisk;
pub use lab::{Lab, Machine, PROVIDED};
pub use raw::{Caller, Raw, answer, request};
pub use schema::Contract;
pub use terminal::Terminal;

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Whether `condition` comes true before `limit` has passed.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lets some of so many milliseconds pass, in each round another part of them: where that falls in what
/// goes on does not matter, and differs from run to run.
pub fn some_moment(round: usize, of: Range<u64>) {
    let length = (of.end - of.start) * 1000;
    let moment = of.start * 1000 + round as u64 * 37_003 % length;
    std::thread::sleep(Duration::from_micros(moment));
}

/// Ends what goes on until it is told to, also when a test fails.
pub struct StopAtEnd<'a>(pub &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Notes that a test could not run here, and why; the test run lists them at its end.
#[expect(clippy::print_stderr, reason = "the test runner shows it")]
pub fn skip(test: &str, why: &str) {
    use std::io::Write;
    eprintln!("skipped: {test}: {why}");
    if let Some(file) = std::env::var_os("ECE_AGENT_SKIPPED_TESTS") {
        let file = std::fs::File::options().create(true).append(true).open(file);
        writeln!(file.unwrap(), "  {test}: {why}").unwrap();
    }
}
