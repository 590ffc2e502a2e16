use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    ops::RangeInclusive,
};

use super::{Context, Outcome, Severity};
use crate::{
    model::{Code, Role},
    rt::port_holder,
};

const COORDINATOR_PORTS: [u16; 3] = [12343, 12400, 12443];

/// What ECE keeps for the other roles. Nothing here listens on them yet; instances, routes and a
/// replicated datastore will.
const KEPT_FOR: [(Role, &[RangeInclusive<u16>]); 3] = [
    (Role::Director, &[2112..=2112, 12191..=12201, 12898..=12908, 13898..=13908]),
    (Role::Proxy, &[9200..=9200, 9243..=9243, 9300..=9300, 9343..=9343, 9400..=9400, 9443..=9443]),
    (Role::Allocator, &[14000..=14000, 18000..=23999]),
];

/// Whether the ports of the requested roles can be had.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let address = context.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let roles = context.roles;
    if roles.contains(Role::Coordinator) && context.installed.is_none() {
        for port in COORDINATOR_PORTS {
            let address = SocketAddr::new(address, port);
            if let Err(error) = TcpListener::bind(address) {
                let (found, fix) = taken_port(address, &error);
                let outcome = Outcome::of(Code::PreflightPort, Severity::Error, found, "");
                return Some(outcome.with_fix(fix));
            }
        }
    }
    let mut taken: Vec<u16> = context
        .machine
        .listening()
        .into_iter()
        .filter(|it| address.is_unspecified() || it.ip().is_unspecified() || it.ip() == address)
        .map(|it| it.port())
        .filter(|port| is_kept(context, *port))
        .collect();
    taken.sort_unstable();
    taken.dedup();
    let found = match taken[..] {
        [] if roles.is_empty() => "no role is asked for, so no port is needed".into(),
        [] if roles.contains(Role::Coordinator) && context.installed.is_some() => {
            "the coordinator's ports are for the host that is installed here; no other is taken"
                .into()
        }
        [] => format!("the ports of {} are free", roles.in_words()),
        _ => format!("something listens on {taken:?}, which {} will use", roles.in_words()),
    };
    let free = taken.is_empty();
    Some(Outcome::judge(Code::PreflightPort, free, Severity::Warning, found, ""))
}

/// What is said of a port that cannot be had: who has it, and what to do about it.
pub fn taken_port(address: SocketAddr, error: &io::Error) -> (String, String) {
    let found = format!("{address} cannot be listened on: {error}");
    if error.kind() != io::ErrorKind::AddrInUse {
        return (found, Code::PreflightPort.fix().to_owned());
    }
    let elsewhere = match address.ip().is_loopback() {
        true => "or give another loopback address with --host-ip",
        false => {
            "or, for a host that only this machine reaches, give it an address of its own: --host-ip 127.0.0.2"
        }
    };
    match port_holder(address) {
        Some(holder) => {
            (format!("{found}; {holder} listens there"), format!("Stop {holder}, {elsewhere}."))
        }
        None => {
            (found, format!("Stop the other program ('ss -ltnp' names it to root), {elsewhere}."))
        }
    }
}

fn is_kept(context: &Context<'_>, port: u16) -> bool {
    KEPT_FOR.iter().any(|(role, ranges)| {
        context.roles.contains(*role) && ranges.iter().any(|range| range.contains(&port))
    })
}
