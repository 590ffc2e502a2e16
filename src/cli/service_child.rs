//! A child of root that is the service user. Whatever it does, it says only so much, and is waited
//! for only so long.

use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ExitStatus},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{
    StateDirArgument, UserArguments, event::Event, known_host::not_installed,
    service_layout::ServiceLayout,
};
use crate::{
    agent::{Identity, load_identity},
    config::StateDir,
    host::{service::spawn_as, tree::Owner},
    model::Failure,
};

/// How much it may say, in bytes.
const MAX_SAID: u64 = 16 << 20;

/// How long it may take to end when it has said all.
const LONGEST_END: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// What a child is called with that has to do with the host of a state directory.
#[derive(clap::Args)]
pub struct HostChildArguments {
    #[command(flatten)]
    user: UserArguments,
    #[command(flatten)]
    state: StateDirArgument,
    #[arg(long)]
    json: bool,
}

impl HostChildArguments {
    /// For whoever calls a child by this verb.
    pub fn of<'a>(verb: &'a str, state: &'a StateDir) -> [&'a OsStr; 4] {
        let dir = state.path().as_os_str();
        [verb.as_ref(), "--json".as_ref(), "--state-dir".as_ref(), dir]
    }

    /// Turns into the service user, and reads as that user which host it is.
    pub fn become_user(self) -> Result<(StateDir, Identity), Failure> {
        self.user.become_them()?;
        let state = self.state.state_dir();
        let identity = load_identity(&state)?.ok_or_else(|| not_installed(&state))?;
        Ok((state, identity))
    }
}

pub struct ServiceChild {
    child: Child,
    lines: Receiver<io::Result<String>>,
    until: Instant,
}

impl ServiceChild {
    /// Starts the installed program with `input` on its standard input.
    pub fn start(
        user: Owner,
        arguments: &[&OsStr],
        input: Zeroizing<Vec<u8>>,
        longest: Duration,
    ) -> io::Result<Self> {
        Self::of(Path::new(ServiceLayout::BINARY), user, arguments, input, longest)
    }

    /// The same with this program, where the one that is installed may be an older one.
    pub fn start_this(user: Owner, arguments: &[&OsStr], longest: Duration) -> io::Result<Self> {
        Self::of(&env::current_exe()?, user, arguments, Default::default(), longest)
    }

    fn of(
        program: &Path,
        user: Owner,
        arguments: &[&OsStr],
        input: Zeroizing<Vec<u8>>,
        longest: Duration,
    ) -> io::Result<Self> {
        let mut child = spawn_as(user, program, arguments)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (tell, lines) = channel();
        // One that reads or says nothing holds up these two alone.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
        thread::spawn(move || {
            let said = stdout.map(|out| BufReader::new(out.take(MAX_SAID)));
            for line in said.into_iter().flat_map(BufRead::lines) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, until: Instant::now() + longest })
    }

    /// What it tells next; `None` when it has said all.
    pub fn next_event(&self) -> io::Result<Option<Event>> {
        let left = self.until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Event::read(&line?).map(Some).map_err(io::Error::other),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(late()),
        }
    }

    /// Waits until it is gone.
    pub fn end(mut self) -> io::Result<ExitStatus> {
        let until = Instant::now() + LONGEST_END;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() >= until => return Err(late()),
                None => thread::sleep(PAUSE),
            }
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it did not end in time and was killed")
}

impl Drop for ServiceChild {
    fn drop(&mut self) {
        // Nothing happens to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
