//! Processes that outlive the one that starts them.

use std::{
    fs::File,
    io,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::{
        prctl::set_dumpable,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::setsid,
};

/// Starts `program` with `arguments`, its output appended to `log`, in the background.
/// The new process calls [`leave_session`] when it is up.
pub fn spawn_background(
    program: &Path,
    arguments: &[&std::ffi::OsStr],
    log: &Path,
) -> io::Result<Child> {
    use std::os::unix::fs::OpenOptionsExt;
    let log: File = File::options().create(true).append(true).mode(0o600).open(log)?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .current_dir("/")
        .spawn()
}

/// Makes the calling process independent of the terminal and session it was started from. A
/// process group leader cannot do so, and stays as it is.
pub fn leave_session() {
    let _ = setsid();
}

/// From now on nobody of the same user can look into this process, and it leaves no core dump.
pub fn forbid_dumps() {
    if let Err(error) = set_dumpable(false) {
        tracing::warn!(%error, "this process can be dumped");
    }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Lets this process open as many files as the system allows it: a coordinator needs one for
/// each connected host.
pub fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, hard, "the limit of open files stays as it was");
    }
}
