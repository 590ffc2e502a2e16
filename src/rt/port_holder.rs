//! Which process listens on an address, as far as this user may see (proc(5)).

use std::{fs, net::SocketAddr, path::Path};

use super::listening::listening_sockets;

/// Processes that are looked at.
const MOST: usize = 100_000;

/// The name and number of the process whose socket keeps others from listening on this address;
/// `None` if there is none, or it is another user's.
pub fn port_holder(wanted: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).ok());
    let sockets: Vec<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| listening_sockets(table))
        .filter(|socket| socket.is_in_the_way_of(wanted))
        .map(|socket| format!("socket:[{}]", socket.inode))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    // Beside processes by their numbers there is 'self', which says less.
    let is_number =
        |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let processes = fs::read_dir("/proc").ok()?.flatten().filter(is_number).take(MOST);
    let holds = |process: &Path| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        open.filter_map(|it| fs::read_link(it.path()).ok())
            .any(|it| it.to_str().is_some_and(|it| sockets.iter().any(|socket| socket == it)))
    };
    processes.map(|entry| entry.path()).find(|path| holds(path)).and_then(|path| {
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let number = path.file_name()?.to_str()?.to_owned();
        Some(format!("{} (process {number})", name.trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listening_process_is_found_by_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let found = port_holder(address).expect("this process");
        assert!(found.ends_with(&format!("(process {})", std::process::id())), "{found}");
        let other = SocketAddr::new("127.0.0.99".parse().expect("an address"), address.port());
        assert_eq!(port_holder(other), None);
        drop(listener);
        assert_eq!(port_holder(address), None);
    }
}
