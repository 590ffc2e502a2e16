//! `ece-agent logs`: the journal of the service, or the file of a daemon in the background.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
    thread::sleep,
    time::Duration,
};

use super::{
    StateDirArgument, known_host::not_installed, output::Output, service_layout::runs_as_service,
};
use crate::{
    agent::{load_identity, not_permitted},
    model::{Code, Exit, Failure},
    rt::files,
};

const PAUSE: Duration = Duration::from_millis(200);

/// Bytes of a log's end in which its last lines are looked for.
const TAIL: u64 = 8 << 20;

#[derive(clap::Args)]
pub struct LogsArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// Go on with what is logged from now on
    #[arg(short, long)]
    follow: bool,
    /// So many of the last lines
    #[arg(short = 'n', long, default_value_t = 100, value_name = "NUMBER")]
    lines: usize,
}

pub fn logs(arguments: LogsArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.answering()?;
    if runs_as_service(&state) {
        return journal(arguments.lines, arguments.follow);
    }
    let path = state.log();
    let failed =
        |error: io::Error| Failure::new(Code::LogsNotHere, format!("{}: {error}", path.display()));
    let mut file = match files::open_kept(&path) {
        Ok(Some(file)) => BufReader::new(file),
        Ok(None) => {
            let dir = state.path().display();
            return Err(match load_identity(&state)? {
                None => not_installed(&state),
                Some(_) => {
                    Failure::new(Code::LogsNotHere, format!("there is no agent.log in {dir}"))
                }
            });
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_permitted("the log is not this user's", &error));
        }
        Err(error) => return Err(failed(error)),
    };
    let mut lines = tail(&mut file, arguments.lines).map_err(failed)?;
    let missing = arguments.lines.saturating_sub(lines.len());
    if let Ok(Some(earlier)) = files::open_kept(&state.earlier_log()) {
        let mut all = tail(&mut BufReader::new(earlier), missing).map_err(failed)?;
        all.append(&mut lines);
        lines = all;
    }
    let show = |line: &[u8]| output.verbatim(String::from_utf8_lossy(line).trim_end_matches('\n'));
    lines.iter().for_each(|line| show(line));
    if !arguments.follow {
        return Ok(Exit::Success);
    }
    let (mut line, mut next) = (Vec::new(), None);
    loop {
        // A line that is being written is shown when it ends.
        match file.read_until(b'\n', &mut line).map_err(failed)? {
            _ if line.ends_with(b"\n") => show(&std::mem::take(&mut line)),
            _ => match next.take() {
                Some(begun) => file = BufReader::new(begun),
                // What was written before it began anew is read to its end.
                None => match begun_anew(&path, file.get_ref()) {
                    Some(begun) => next = Some(begun),
                    None => sleep(PAUSE),
                },
            },
        }
    }
}

/// So many of the last lines, from where it is read to its end.
fn tail(file: &mut BufReader<File>, most: usize) -> io::Result<VecDeque<Vec<u8>>> {
    let length = file.get_ref().metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let (mut lines, mut line) = (VecDeque::new(), Vec::new());
    while file.read_until(b'\n', &mut line)? > 0 {
        lines.push_back(std::mem::take(&mut line));
        if lines.len() > most {
            lines.pop_front();
        }
    }
    Ok(lines)
}

/// The file that has taken the place of the one that is read.
fn begun_anew(path: &Path, read: &File) -> Option<File> {
    let named = files::open_kept(path).ok()??;
    let is_another = named.metadata().ok()?.ino() != read.metadata().ok()?.ino();
    is_another.then_some(named)
}

fn journal(lines: usize, follow: bool) -> Result<Exit, Failure> {
    let mut command = Command::new("journalctl");
    command.args(["--unit", "ece-agent", "--no-pager", "--lines", &lines.to_string()]);
    if follow {
        command.arg("--follow");
    }
    // In the place of this process: a signal that ends the one ends the other.
    let error = command.exec();
    Err(Failure::new(Code::LogsNotHere, format!("journalctl: {error}")))
}
