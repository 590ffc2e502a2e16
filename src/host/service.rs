//! The system's services: the user, the unit, the package that a file belongs to.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::{User, geteuid};

use super::tree::Owner;
use crate::model::SERVICE_STATE_DIR;

/// The user that the daemon runs as, and its unit.
pub const SERVICE: &str = "ece-agent";

/// Longer than the unit lets the daemon take to stop.
pub const LONGEST_STOP: Duration = Duration::from_secs(40);

const SYSUSERS: &str = include_str!("../../systemd/ece-agent.sysusers");

/// A command of the system that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{command} was not started: {error}")]
    NotStarted { command: String, error: io::Error },
    #[error("{command} failed: {output}")]
    Failed { command: String, output: String },
}

/// The user that the daemon runs as, if there is one.
pub fn service_user() -> io::Result<Option<Owner>> {
    let found = User::from_name(SERVICE)?;
    Ok(found.map(|user| Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
}

/// Whether this process is of the user that the daemon runs as: one of this name who is at home in
/// the service's directory.
pub fn is_service_user() -> bool {
    User::from_uid(geteuid()).is_ok_and(|user| user.is_some_and(|it| is_the_services(&it)))
}

fn is_the_services(user: &User) -> bool {
    user.name == SERVICE && user.dir == Path::new(SERVICE_STATE_DIR)
}

/// Makes the user that the daemon runs as.
pub fn make_service_user() -> Result<(), CommandError> {
    match call_with("systemd-sysusers", ["-"], SYSUSERS) {
        Err(CommandError::NotStarted { .. }) => {
            let home = SERVICE_STATE_DIR;
            let shell = "/usr/sbin/nologin";
            call("useradd", ["--system", "--home-dir", home, "--shell", shell, SERVICE])
        }
        other => other,
    }
    .map(|_| ())
}

pub fn remove_service_user() -> Result<(), CommandError> {
    call("userdel", [SERVICE]).map(|_| ())
}

/// Whoever called this program, through sudo or not.
pub fn invoking_user() -> Owner {
    let id = |name: &str| std::env::var(name).ok()?.parse().ok();
    let own = Owner { uid: nix::unistd::getuid().as_raw(), gid: nix::unistd::getgid().as_raw() };
    match (own.uid, id("SUDO_UID"), id("SUDO_GID")) {
        (0, Some(uid), Some(gid)) => Owner { uid, gid },
        _ => own,
    }
}

pub fn systemctl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<String, CommandError> {
    call("systemctl", arguments)
}

/// Stops the unit. A daemon that asks for more and more time is killed when `longest` is over.
pub fn stop_service(longest: Duration) -> Result<(), CommandError> {
    const AFTER_KILL: Duration = Duration::from_secs(10);
    // That there is no such unit is as good.
    let _ = systemctl(["--no-block", "stop", SERVICE]);
    if is_down_within(longest) {
        return Ok(());
    }
    systemctl(["kill", "--signal=SIGKILL", SERVICE])?;
    match is_down_within(AFTER_KILL) {
        true => Ok(()),
        false => Err(CommandError::Failed {
            command: format!("systemctl stop {SERVICE}"),
            output: format!("it is {} still", unit_state()),
        }),
    }
}

fn is_down_within(longest: Duration) -> bool {
    const PAUSE: Duration = Duration::from_millis(50);
    const DOWN: [&str; 3] = ["inactive", "failed", ""];
    let until = Instant::now() + longest;
    loop {
        if DOWN.contains(&unit_state().as_str()) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// What systemd says of the unit: `active`, `activating`, `failed`, `inactive`…
pub fn unit_state() -> String {
    systemctl(["show", "--property=ActiveState", "--value", SERVICE]).unwrap_or_default()
}

/// Whether the unit's process has failed, and is not running now: whether systemd starts it again or
/// not.
pub fn unit_has_failed() -> bool {
    let shown = systemctl(["show", "--property=ActiveState,SubState", "--value", SERVICE]);
    shown.is_ok_and(|states| states.lines().any(|it| ["failed", "auto-restart"].contains(&it)))
}

/// The process that the unit runs, if it runs one.
pub fn unit_process() -> Option<u32> {
    let shown = systemctl(["show", "--property=MainPID", "--value", SERVICE]).ok()?;
    shown.parse().ok().filter(|process| *process != 0)
}

/// The last lines that the unit's process has logged; where it has not come to that, what is said of
/// the unit.
pub fn unit_log(lines: usize) -> String {
    let lines = lines.to_string();
    let log = |which: &[&str]| {
        let how = ["--no-pager", "--quiet", "--output=cat", "--lines", &lines];
        call("journalctl", how.into_iter().chain(which.iter().copied())).unwrap_or_default()
    };
    let start = systemctl(["show", "--property=InvocationID", "--value", SERVICE]);
    let own = start.ok().filter(|id| !id.is_empty()).map(|id| {
        let of_start = format!("_SYSTEMD_INVOCATION_ID={id}");
        log(&[&of_start])
    });
    own.filter(|log| !log.is_empty()).unwrap_or_else(|| log(&["--unit", SERVICE]))
}

/// Whether the file belongs to a Debian package.
pub fn is_packaged(file: &Path) -> bool {
    let mut query = Command::new("dpkg-query");
    query.arg("--search").arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    query.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Starts `program` with a verb that takes `--uid` and `--gid`, so that it goes on as `user`; with
/// pipes on its standard input and output. It changes over by itself: a process that is somebody
/// else's from its first instruction on can be looked into by its new owner.
pub fn spawn_as(user: Owner, program: &Path, arguments: &[&OsStr]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/");
    command.arg(format!("--uid={}", user.uid)).arg(format!("--gid={}", user.gid));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

fn call<'a>(
    program: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<String, CommandError> {
    call_with(program, arguments, "")
}

fn call_with<'a>(
    program: &str,
    arguments: impl IntoIterator<Item = &'a str>,
    input: &str,
) -> Result<String, CommandError> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let command = format!("{program} {}", arguments.join(" "));
    let not_started = |error| CommandError::NotStarted { command: command.clone(), error };
    let mut child = Command::new(program)
        .args(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing has closed its end.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(not_started)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = match text(&output.stderr) {
        said if said.is_empty() => output.status.to_string(),
        said => said,
    };
    Err(CommandError::Failed { command, output: said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_user_is_known_by_name_and_home() {
        let mut user = User::from_name("root").expect("read").expect("there");
        assert!(!is_the_services(&user) && !is_service_user());
        user.name = SERVICE.into();
        assert!(!is_the_services(&user), "somebody's own user of this name");
        user.dir = SERVICE_STATE_DIR.into();
        assert!(is_the_services(&user));
    }
}
