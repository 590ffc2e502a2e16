//! Processes that outlive the one that starts them.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::{
        prctl::{set_dumpable, set_pdeathsig},
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::{Gid, Pid, Uid, setgid, setgroups, setsid, setuid},
};

use super::tree::Owner;

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
        tracing::warn!(%error, "this process can be dumped: {error}");
    }
}

/// Turns this process, which is root's and has one thread, into one of `user`'s: without other
/// groups or a terminal, closed to other processes of that user, and gone with its parent.
pub fn become_user(user: Owner) -> io::Result<()> {
    setsid()?;
    set_dumpable(false)?;
    setgroups(&[])?;
    setgid(Gid::from_raw(user.gid))?;
    setuid(Uid::from_raw(user.uid))?;
    // Both are undone by a change of user.
    set_dumpable(false)?;
    // One that is stopped would not hear of another signal.
    Ok(set_pdeathsig(Signal::SIGKILL)?)
}

/// Ends all processes of a user; how many are still there when `longest` is over.
fn end_processes_of(uid: u32, longest: Duration) -> usize {
    const PAUSE: Duration = Duration::from_millis(10);
    let until = Instant::now() + longest;
    loop {
        let found = processes_of(uid);
        if found.is_empty() || uid == 0 || Instant::now() >= until {
            return found.len();
        }
        for process in found {
            // It may have ended by itself.
            let _ = kill(process, Signal::SIGKILL);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Ends all processes of the service user; in words, which of them do not end.
pub fn end_processes_of_service(user: Owner) -> Result<(), String> {
    /// How long processes that are killed may take to end.
    const LONGEST: Duration = Duration::from_secs(10);
    if user == Owner::ROOT {
        return Ok(());
    }
    match end_processes_of(user.uid, LONGEST) {
        0 => Ok(()),
        1 => Err("1 process of the user ece-agent does not end".into()),
        more => Err(format!("{more} processes of the user ece-agent do not end")),
    }
}

/// Processes that still run and are, or can become, this user's.
fn processes_of(uid: u32) -> Vec<Pid> {
    let is_theirs = |process: &Pid| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let is_dead =
            field("State:").is_none_or(|state| state.trim_start().starts_with(['Z', 'X']));
        let uids = field("Uid:").unwrap_or_default();
        !is_dead && uids.split_whitespace().any(|it| it.parse() == Ok(uid))
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.map(Pid::from_raw).filter(is_theirs).collect()
}

/// Whether a process runs the program in this file.
pub fn is_program_of(process: u32, file: &Path) -> bool {
    let same = |a: Metadata, b: Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let running = std::fs::metadata(format!("/proc/{process}/exe"));
    running.is_ok_and(|running| file.metadata().is_ok_and(|file| same(running, file)))
}

/// What the kernel knows of this process.
pub struct OwnProcess {
    pub resident_bytes: u64,
    pub cpu_seconds: f64,
    pub open_files: usize,
}

/// `None` where the kernel's files cannot be read.
pub fn own_process() -> Option<OwnProcess> {
    /// The kernel's clock ticks a second, in what it shows to programs.
    const TICKS: f64 = 100.0;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident_kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Some(OwnProcess { resident_bytes: resident_kib << 10, cpu_seconds: ticks / TICKS, open_files })
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
        tracing::warn!(%error, soft, hard, "the limit of open files stays {soft}, and is not raised to {hard}: {error}");
    }
}

/// How many files this process may have open.
pub fn most_open_files() -> usize {
    /// What Linux gives to a process if nobody says otherwise.
    const USUAL: usize = 1024;
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    limit.map_or(USUAL, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}
