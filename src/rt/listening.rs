//! Sockets that listen, as the kernel's tables of them say (proc(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How the tables write the state of a socket that listens.
const LISTEN: &str = "0A";

/// A TCP socket that somebody listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningSocket {
    pub address: SocketAddr,
    /// How `/proc/PID/fd` names it.
    pub inode: String,
}

impl ListeningSocket {
    /// Whether it keeps others from listening on `wanted`.
    pub fn is_in_the_way_of(&self, wanted: SocketAddr) -> bool {
        let (own, ip) = (self.address.ip().to_canonical(), wanted.ip().to_canonical());
        // An IPv6 socket for all addresses is one for all IPv4 addresses too.
        let covers =
            |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
        self.address.port() == wanted.port() && (own == ip || covers(own, ip) || covers(ip, own))
    }
}

/// What listens by such a table: `/proc/net/tcp` or `tcp6`.
pub fn listening_sockets(table: &str) -> impl Iterator<Item = ListeningSocket> {
    table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next()?, columns.nth(1)?);
        let inode = columns.nth(5).unwrap_or_default().to_owned();
        (state == LISTEN).then_some(())?;
        Some(ListeningSocket { address: socket_address(local)?, inode })
    })
}

/// `0100007F:3037`: each 32 bits of the address in the machine's byte order.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in address.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let address: IpAddr = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?).into(),
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_listen_are_in_the_table() {
        let table = "head\n 0: 0100007F:3037 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 71 1\n 1: 0100007F:3037 0100007F:9999 01 0:0 0:0 0 0 0 72 1\n";
        let found: Vec<_> = listening_sockets(table).collect();
        let address = "127.0.0.1:12343".parse().expect("an address");
        assert_eq!(found, [ListeningSocket { address, inode: "71".into() }]);
    }

    #[test]
    fn another_address_of_the_same_port_is_in_nobodys_way() {
        let blocks = |own: &str, wanted: &str| {
            let address = own.parse().expect("an address");
            let socket = ListeningSocket { address, inode: String::new() };
            socket.is_in_the_way_of(wanted.parse().expect("an address"))
        };
        for (own, wanted) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
        ] {
            assert!(blocks(own, wanted), "{own} {wanted}");
        }
        for (own, wanted) in [
            ("127.0.0.2:80", "127.0.0.1:80"),
            ("127.0.0.1:81", "127.0.0.1:80"),
            ("0.0.0.0:80", "[::1]:80"),
            ("[::1]:80", "0.0.0.0:80"),
        ] {
            assert!(!blocks(own, wanted), "{own} {wanted}");
        }
    }
}
