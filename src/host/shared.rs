//! Directories in which others than this program have something of their own.

use std::path::Path;

const SHARED: [&str; 20] = [
    "/",
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/run/user",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/opt",
    "/var/spool",
    "/var/tmp",
];

/// Whether many things have their place right below `dir`, so that it is not for one of them.
pub fn is_shared(dir: &Path) -> bool {
    SHARED.iter().any(|it| dir == Path::new(it))
}
