//! Sockets: who gets in, and how long they may take.

mod bounds;
mod connection;
mod door;
mod patience;
mod places;
mod requests;
mod serve;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::{extract::Request, response::Response};
use tokio::net::{TcpListener, TcpSocket};
use tower::util::BoxCloneSyncService;

pub use bounds::{Audience, Bounds};
pub use connection::{ConnectionContext, ConnectionId, SharedContext};
pub use door::{Admission, Door};
pub use serve::{Comers, Port, serve_port};

pub const API_PORT: u16 = 12443;
pub const REDIRECT_PORT: u16 = 12400;

/// What answers the requests that come in at a port.
pub type Service = BoxCloneSyncService<Request, Response, std::convert::Infallible>;

/// The sockets of a coordinator.
pub struct Listeners {
    pub api: TcpListener,
    pub hosts: TcpListener,
    pub redirect: TcpListener,
}

impl Listeners {
    /// Binds the ports on all addresses, or on `only` one; the port that could not be had, if
    /// there is one.
    pub fn bind(only: Option<IpAddr>) -> Result<Self, (SocketAddr, io::Error)> {
        Ok(Self {
            api: bind(only, API_PORT)?,
            hosts: bind(only, crate::model::HOSTS_PORT)?,
            redirect: bind(only, REDIRECT_PORT)?,
        })
    }
}

fn bind(only: Option<IpAddr>, port: u16) -> Result<TcpListener, (SocketAddr, io::Error)> {
    let on = |address: IpAddr| {
        let address = SocketAddr::new(address, port);
        listen(address).map_err(|error| (address, error))
    };
    match only {
        Some(address) => on(address),
        // The unspecified IPv6 address takes IPv4 too, unless the machine has no IPv6.
        None => match on(Ipv6Addr::UNSPECIFIED.into()) {
            Err((_, error)) if error.kind() != io::ErrorKind::AddrInUse => {
                on(Ipv4Addr::UNSPECIFIED.into())
            }
            bound => bound,
        },
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    const BACKLOG: u32 = 4096;
    // Of what a peer does not read, the kernel keeps little; and whoever reads slowly is seen to.
    const SEND_BUFFER: u32 = 128 * 1024;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // What is set here holds for each connection that is accepted.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
