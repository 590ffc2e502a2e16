//! What every long-running part needs from the process: clock, back-off, shutdown, files.

mod answered;
mod aside;
mod backoff;
mod bounded_log;
mod clock;
mod cpu;
pub mod disk;
pub mod files;
mod listening;
mod lock;
mod lock_holders;
mod net;
mod port_holder;
pub mod reexec;
mod shutdown;
pub mod terminal;
mod threads;
pub mod unix_socket;
mod way;

pub use answered::first_silent;
pub use aside::{Patient, aside};
pub use backoff::{Backoff, random_fraction};
pub use bounded_log::BoundedLog;
pub use clock::{Clock, Timestamp};
pub use cpu::thread_cpu_time;
pub use listening::listening_sockets;
pub use lock::{FileLock, LockHeld};
pub use lock_holders::{Holder, lock_holders};
pub use net::{
    KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES, UNACKNOWLEDGED, notice_dead_peers,
};
pub use port_holder::port_holder;
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use threads::{daemon_runtime, may_start};
pub use way::{closed_dir, may_write_in, why_not};
