//! Which process listens on a port, as far as this user may see (proc(5)).

use std::{fs, path::Path};

/// How /proc/net/tcp writes the state of a socket that listens.
const LISTEN: &str = "0A";

/// Processes that are looked at.
const MOST: usize = 100_000;

/// The name and number of the process that listens on this TCP port; `None` if there is none, or
/// it is another user's.
pub fn port_holder(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
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

/// The inodes of the sockets in such a table that listen on the port.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, ..] = columns[..] else { return None };
        (local.ends_with(&suffix) && state == LISTEN)
            .then(|| columns.get(9).map(|it| (*it).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listening_process_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let found = port_holder(port).expect("this process");
        assert!(found.ends_with(&format!("(process {})", std::process::id())), "{found}");
        drop(listener);
        assert_eq!(port_holder(port), None);
    }

    #[test]
    fn only_sockets_that_listen_on_that_very_port_are_meant() {
        let table = "head\n 0: 0100007F:3037 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 71 1\n 1: 0100007F:3037 0100007F:9999 01 0:0 0:0 0 0 0 72 1\n 2: 0100007F:3038 0:0 0A 0:0 0:0 0 0 0 73 1\n";
        assert_eq!(inodes(table, 0x3037), ["71"]);
    }
}
