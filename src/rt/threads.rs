use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

/// Threads for work that blocks, which are there from the start to the end: without one, work that
/// needs a thread panics where the system refuses a new one.
const KEPT: usize = 4;

/// The runtime of a daemon, which goes on when it may start no more threads.
///
/// # Errors
/// When it may not start those either.
pub fn daemon_runtime() -> io::Result<Runtime> {
    may_start(thread::available_parallelism()?.get() + KEPT)?;
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.enable_all().thread_keep_alive(Duration::MAX).build()?;
    let gate = Arc::<Mutex<()>>::default();
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..KEPT {
        // None of them is idle for the next one while they wait here.
        let gate = gate.clone();
        runtime.spawn_blocking(move || drop(gate.lock()));
    }
    drop(closed);
    Ok(runtime)
}

/// Whether so many threads can be started: a runtime that cannot start its own panics.
pub fn may_start(threads: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let wait = || drop(gate.lock());
        let started: io::Result<Vec<_>> =
            (0..threads).map(|_| thread::Builder::new().spawn_scoped(scope, wait)).collect();
        drop(closed);
        started.map(drop)
    })
}
