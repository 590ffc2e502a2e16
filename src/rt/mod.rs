//! What every long-running part needs from the process: clock, back-off, shutdown, files.

mod backoff;
mod clock;
mod cpu;
pub mod disk;
pub mod files;
mod lock;
pub mod reexec;
mod shutdown;
pub mod unix_socket;

pub use backoff::{Backoff, random_fraction};
pub use clock::{Clock, Timestamp};
pub use cpu::thread_cpu_time;
pub use lock::{FileLock, LockHeld};
pub use shutdown::{Shutdown, ShutdownTrigger};
