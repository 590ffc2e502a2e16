use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::{Context, Finding};
use crate::model::{Code, Failure, Role};

const COORDINATOR_PORTS: [u16; 3] = [12343, 12400, 12443];

/// Whether the ports of the requested roles can be had.
pub(super) fn check(context: &Context<'_>) -> Option<Finding> {
    if !context.roles.contains(Role::Coordinator) {
        return None;
    }
    let address = context.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    COORDINATOR_PORTS.into_iter().find_map(|port| {
        let address = SocketAddr::new(address, port);
        let error = TcpListener::bind(address).err()?;
        let message = format!("{address} cannot be listened on: {error}");
        Some(Finding::error(Failure::new(Code::PreflightPort, message)))
    })
}
