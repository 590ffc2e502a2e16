use std::{
    fs,
    io::Write,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::within;

pub fn agent_path() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ece-agent"))
}

/// A call of the program with nothing in its environment that could change what it does.
pub fn agent<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(agent_path());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ECE_AGENT_") {
            command.env_remove(name);
        }
    }
    command
}

/// A library that makes writes or syncs of the disk fail, to be preloaded; `None` without a C compiler.
pub fn disk_failure_library(dir: &Path) -> Option<String> {
    let library = dir.join("disk_failure.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/disk_failure.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]);
    let made = cc.status().is_ok_and(|status| status.success());
    made.then(|| library.display().to_string())
}

/// Another process that holds the lock of a file, until it is killed.
pub fn hold_lock(file: &Path) -> Child {
    let mut flock = Command::new("flock");
    let held = flock.arg("--no-fork").arg(file).args(["sleep", "60"]).spawn().unwrap();
    let mut free = Command::new("flock");
    free.arg("--nonblock").arg(file).arg("true");
    assert!(within(Duration::from_secs(5), || !free.status().unwrap().success()));
    held
}

/// Whether a process is connected to this IPv4 address, answered or not.
pub fn has_asked(process: &Child, address: &str) -> bool {
    let address: Ipv4Addr = address.parse().unwrap();
    // As the kernel shows it: the bytes in the machine's order.
    let address = format!("{:08X}:", u32::from_ne_bytes(address.octets()));
    let connections = fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets: Vec<String> = connections
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|fields: &Vec<&str>| fields[2].starts_with(&address) && fields[3] == ESTABLISHED)
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let Ok(files) = fs::read_dir(format!("/proc/{}/fd", process.id())) else { return false };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|file| sockets.iter().any(|socket| file.as_os_str() == &socket[..]))
}

const ESTABLISHED: &str = "01";

/// What a call came to.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    pub fn with_input(command: &mut Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Self::of_child(child)
    }

    /// What a process that was started with its output kept came to.
    pub fn of_child(child: Child) -> Self {
        Self::from(child.wait_with_output().unwrap())
    }

    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Ended with this exit code, and named this error.
    #[track_caller]
    pub fn refused(self, code: i32, name: &str) -> Self {
        let finished = self.expect(code);
        let named = finished.stderr.contains(&format!("[{name}]"))
            || finished.stdout.contains(&format!("\"code\":\"{name}\""));
        assert!(named, "{name} is not in {finished:#?}");
        finished
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The JSON documents of an output with one a line.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
