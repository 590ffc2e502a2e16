//! A daemon that is left behind in the background.

use std::process::Child;

use crate::{
    config::StateDir,
    host::process::spawn_background,
    model::{Code, Failure},
    rt::files,
};

/// How much of the daemon's log a failure quotes.
const QUOTED_LINES: usize = 5;

pub fn start_daemon(state: &StateDir) -> Result<Child, Failure> {
    let arguments =
        ["run".as_ref(), "--background".as_ref(), "--state-dir".as_ref(), state.path().as_os_str()];
    let started = std::env::current_exe()
        .and_then(|program| spawn_background(&program, &arguments, &state.log()));
    started.map_err(|error| {
        let log = state.log();
        let message = format!("the daemon was not started: {error}; its log is {}", log.display());
        Failure::new(Code::DaemonNotStarted, message)
    })
}

/// Why the daemon that was left behind is gone, if it is.
pub fn ended(child: &mut Child, state: &StateDir) -> Option<Failure> {
    let status = child.try_wait().ok().flatten()?;
    let log = files::read_kept(&state.log(), 64 << 20).ok().flatten().unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    if let Some((error, fix)) = last_words(&log) {
        let message = format!("the daemon ended at once ({status}): {error}");
        return Some(Failure::new(Code::DaemonNotStarted, message).with_fix(fix));
    }
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n  ");
    let message = format!("the daemon ended at once ({status}); its log ends with\n  {last}");
    let fix = format!("See {}, then repeat the command.", state.log().display());
    Some(Failure::in_lines(Code::DaemonNotStarted, &message).with_fix(fix))
}

/// The error that ended a daemon and what to do about it, as it has told them at the end of its log.
fn last_words(log: &str) -> Option<(&str, &str)> {
    let (_, told) = log.rsplit_once("error: ")?;
    let (error, fix) = told.split_once("\n  fix: ")?;
    (!fix.trim_end().contains('\n')).then(|| (error, fix.trim_end()))
}
