use std::{io, os::fd::AsFd, time::Duration};

use nix::sys::socket::{
    setsockopt,
    sockopt::{KeepAlive, TcpKeepCount, TcpKeepIdle, TcpKeepInterval, TcpUserTimeout},
};

/// The kernel asks a silent peer for a sign of life after this long,
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// again after this long,
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// and takes it for dead after so many that were not answered.
pub const KEEPALIVE_PROBES: u32 = 3;

/// A peer that acknowledges nothing of what was sent, or takes nothing, for this long is dead.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// Has the kernel end TCP connections whose peer is gone without a word, within 25 s. Set on a
/// listening socket it holds for all that it accepts (Linux, tcp(7)).
pub fn notice_dead_peers(socket: &impl AsFd) -> io::Result<()> {
    setsockopt(socket, KeepAlive, &true)?;
    setsockopt(socket, TcpKeepIdle, &(KEEPALIVE_IDLE.as_secs() as u32))?;
    setsockopt(socket, TcpKeepInterval, &(KEEPALIVE_INTERVAL.as_secs() as u32))?;
    setsockopt(socket, TcpKeepCount, &KEEPALIVE_PROBES)?;
    setsockopt(socket, TcpUserTimeout, &(UNACKNOWLEDGED.as_millis() as u32))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use nix::sys::socket::getsockopt;

    use super::*;

    #[test]
    fn an_accepted_connection_has_what_was_set_on_its_listener() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        notice_dead_peers(&listener)?;
        let _client = TcpStream::connect(listener.local_addr()?)?;
        let (accepted, _) = listener.accept()?;
        assert!(getsockopt(&accepted, KeepAlive)?);
        assert_eq!(getsockopt(&accepted, TcpKeepIdle)?, 10);
        assert_eq!(getsockopt(&accepted, TcpKeepInterval)?, 5);
        assert_eq!(getsockopt(&accepted, TcpKeepCount)?, 3);
        assert_eq!(getsockopt(&accepted, TcpUserTimeout)?, 20_000);
        Ok(())
    }
}
