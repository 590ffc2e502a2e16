use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used: zero where the kernel does not say.
pub fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
