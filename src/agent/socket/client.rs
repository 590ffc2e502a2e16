use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::{ChangeReply, DaemonRequest, SessionReply};
use crate::{
    agent::{state::not_permitted, status::Status},
    config::StateDir,
    host::tree::Owner,
    model::{Code, Failure, Secret},
    rt::unix_socket,
    wire::hosts::SecretText,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest line that is read, in bytes: whoever asks may trust the daemon less than itself.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Asks the daemon of a state directory.
pub struct DaemonClient {
    stream: UnixStream,
    socket: PathBuf,
}

/// Who listens on the socket.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub uid: u32,
    pub process: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("no daemon answers for {0}")]
    NotRunning(PathBuf),
    #[error("no daemon can be asked: {0}")]
    Io(#[from] io::Error),
    #[error("something answers at {socket}, and not as the daemon does: {reason}")]
    NotTheDaemon { socket: PathBuf, reason: io::Error },
    #[error(
        "process {process} answers for {dir}: a daemon that the service's user has started, and not the service"
    )]
    NotTheService { process: u32, dir: PathBuf },
}

impl DaemonError {
    /// Whether somebody else's daemon may well be running.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Whether something answers, which is not to be listened to.
    pub fn is_of_another(&self) -> bool {
        matches!(self, Self::NotTheDaemon { .. } | Self::NotTheService { .. })
    }

    fn not_the_daemon(socket: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::NotTheDaemon { socket: socket.to_owned(), reason }
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        let message = error.to_string();
        match &error {
            _ if error.is_refusal() => not_permitted("the daemon was not asked", &error),
            DaemonError::NotRunning(_) | DaemonError::Io(_) => {
                Failure::new(Code::DaemonNotRunning, message)
            }
            DaemonError::NotTheDaemon { .. } => Failure::new(Code::DaemonAnswerUnreadable, message),
            DaemonError::NotTheService { process, dir } => {
                Failure::new(Code::DaemonNotTheService, message).with_fix(by_hand(*process, dir))
            }
        }
    }
}

fn by_hand(process: u32, dir: &Path) -> String {
    format!(
        "End it with 'kill {process}', then run 'systemctl start ece-agent'. Until then 'runuser -u ece-agent -- ece-agent status --state-dir {}' asks it.",
        dir.display()
    )
}

impl DaemonClient {
    pub async fn connect(state: &StateDir) -> Result<Self, DaemonError> {
        match unix_socket::connect(state.path(), state.socket_name()).await {
            Ok(stream) => Ok(Self { stream, socket: state.path().join(state.socket_name()) }),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Err(DaemonError::NotRunning(state.path().to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub fn peer(&self) -> io::Result<Peer> {
        let said = self.stream.peer_cred()?;
        let process = said.pid().and_then(|pid| u32::try_from(pid).ok());
        Ok(Peer { uid: said.uid(), process })
    }

    pub fn is_not_the_daemon(self, reason: io::Error) -> DaemonError {
        DaemonError::NotTheDaemon { socket: self.socket, reason }
    }

    pub async fn status(self) -> Result<Status, DaemonError> {
        self.one_line(&DaemonRequest::Status).await
    }

    /// Tells the daemon to stop; its last status.
    pub async fn stop(self) -> Result<Status, DaemonError> {
        self.one_line(&DaemonRequest::Stop).await
    }

    /// The status now and at each change.
    pub async fn watch(mut self) -> Result<StatusWatch, DaemonError> {
        self.send(&DaemonRequest::Watch).await?;
        Ok(self.reads())
    }

    /// Gives a user of the API a new password; why not, if it does not work.
    pub async fn set_password(
        mut self,
        user: &str,
        password: Secret,
    ) -> Result<Option<String>, DaemonError> {
        let password = SecretText(password);
        self.send(&DaemonRequest::SetPassword { user: user.to_owned(), password }).await?;
        let reply: ChangeReply = self.reads().first().await?;
        Ok(reply.error)
    }

    /// A bearer token for a user of the API; why not, if there is none.
    pub async fn open_session(
        mut self,
        user: &str,
        password: Secret,
    ) -> Result<Result<Secret, String>, DaemonError> {
        let password = SecretText(password);
        self.send(&DaemonRequest::OpenSession { user: user.to_owned(), password }).await?;
        Ok(match self.reads().first().await? {
            SessionReply::Token(SecretText(token)) => Ok(token),
            SessionReply::Error(reason) => Err(reason),
        })
    }

    async fn one_line(mut self, request: &DaemonRequest) -> Result<Status, DaemonError> {
        self.send(request).await?;
        self.reads().first_status().await
    }

    async fn send(&mut self, request: &DaemonRequest) -> Result<(), DaemonError> {
        let line = line(request);
        let sent = in_time(self.stream.write_all(&line)).await;
        sent.map_err(DaemonError::not_the_daemon(&self.socket))
    }

    fn reads(self) -> StatusWatch {
        let own = Owner::of_this_process().uid;
        StatusWatch {
            is_own: self.peer().is_ok_and(|peer| peer.uid == own),
            reader: BufReader::new(self.stream),
            socket: self.socket,
            has_answered: false,
        }
    }
}

async fn next_line(reader: &mut BufReader<UnixStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LONGEST_ANSWER).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it has no end")),
    }
}

fn line(request: &DaemonRequest) -> zeroize::Zeroizing<Vec<u8>> {
    let mut line = serde_json::to_vec(request).expect("plain data");
    line.push(b'\n');
    zeroize::Zeroizing::new(line)
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(ANSWER_TIMEOUT, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A stream of statuses.
pub struct StatusWatch {
    reader: BufReader<UnixStream>,
    socket: PathBuf,
    has_answered: bool,
    /// It is of the same user as whoever asks.
    is_own: bool,
}

impl StatusWatch {
    /// The next status, or `None` when the daemon is gone. The first comes at once.
    pub async fn next(&mut self) -> Result<Option<Status>, DaemonError> {
        match self.has_answered {
            false => self.first_status().await.map(Some),
            true => {
                let line = next_line(&mut self.reader).await;
                let status = line.and_then(|line| line.map(|line| parsed(&line)).transpose());
                let status = status.map_err(DaemonError::not_the_daemon(&self.socket))?;
                Ok(status.map(|status| self.taken(status)))
            }
        }
    }

    async fn first_status(&mut self) -> Result<Status, DaemonError> {
        let status = self.first().await?;
        Ok(self.taken(status))
    }

    fn taken(&self, status: Status) -> Status {
        if self.is_own { status } else { status.untrusted() }
    }

    async fn first<T: DeserializeOwned>(&mut self) -> Result<T, DaemonError> {
        let line = in_time(next_line(&mut self.reader)).await;
        let line = line.and_then(|line| line.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()));
        let answer = line.and_then(|line| parsed(&line));
        self.has_answered = true;
        answer.map_err(DaemonError::not_the_daemon(&self.socket))
    }
}

fn parsed<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    let other = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no answer of a daemon");
    serde_json::from_slice(line).map_err(other)
}
