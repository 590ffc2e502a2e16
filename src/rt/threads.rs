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

/// At most so many such threads beside one for each processor, since none of them ends. Passwords take
/// one for each two processors; reads of the store, lists, and each disk that may never answer take one
/// at a time, and are about ten; the rest is for looking up names and reading the audit, which come to
/// an end.
const MOST: usize = 32;

/// The runtime of a daemon, which goes on when it may start no more threads.
///
/// # Errors
/// When it may not start those either.
pub fn daemon_runtime() -> io::Result<Runtime> {
    let processors = thread::available_parallelism()?.get();
    may_start(processors + KEPT)?;
    let mut builder = Builder::new_multi_thread();
    builder.thread_keep_alive(Duration::MAX).max_blocking_threads(processors + MOST);
    let runtime = builder.enable_all().build()?;
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_crowd_leaves_few_threads() {
        let runtime = daemon_runtime().expect("a runtime");
        let most = thread::available_parallelism().expect("known").get() + MOST;
        let gate = Arc::<Mutex<()>>::default();
        let closed = gate.lock().expect("open");
        let work = |_| {
            let gate = gate.clone();
            runtime.spawn_blocking(move || {
                drop(gate.lock());
                thread::current().id()
            })
        };
        let crowd: Vec<_> = (0..4 * most).map(work).collect();
        drop(closed);
        let done = crowd.into_iter().map(|it| runtime.block_on(it).expect("done"));
        let threads: HashSet<_> = done.collect();
        assert!(threads.len() <= most, "{}", threads.len());
    }
}
