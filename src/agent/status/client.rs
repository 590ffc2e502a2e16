use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::{ChangeReply, Status, StatusRequest};
use crate::{
    agent::identity::not_permitted,
    config::StateDir,
    model::{Code, Failure, Secret},
    rt::unix_socket,
    wire::hosts::SecretText,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest line that is read, in bytes: whoever asks may trust the daemon less than itself.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Asks the daemon of a state directory.
pub struct StatusClient(UnixStream);

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("no daemon answers for {0}")]
    NotRunning(std::path::PathBuf),
    #[error("the daemon's answer cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl StatusError {
    /// Whether somebody else's daemon may well be running.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Self {
        match error.is_refusal() {
            false => Failure::new(Code::DaemonNotRunning, error.to_string()),
            true => not_permitted("the daemon was not asked", &error),
        }
    }
}

impl StatusClient {
    pub async fn connect(state: &StateDir) -> Result<Self, StatusError> {
        match unix_socket::connect(state.path(), state.socket_name()).await {
            Ok(stream) => Ok(Self(stream)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Err(StatusError::NotRunning(state.path().to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub async fn status(self) -> Result<Status, StatusError> {
        self.one_line(&StatusRequest::Status).await
    }

    /// Tells the daemon to stop; its last status.
    pub async fn stop(self) -> Result<Status, StatusError> {
        self.one_line(&StatusRequest::Stop).await
    }

    /// The status now and at each change.
    pub async fn watch(mut self) -> Result<StatusWatch, StatusError> {
        self.send(&StatusRequest::Watch).await?;
        Ok(StatusWatch(BufReader::new(self.0)))
    }

    /// Gives a user of the API a new password; why not, if it does not work.
    pub async fn set_password(
        mut self,
        user: &str,
        password: Secret,
    ) -> Result<Option<String>, StatusError> {
        let password = SecretText(password);
        self.send(&StatusRequest::SetPassword { user: user.to_owned(), password }).await?;
        let mut reader = BufReader::new(self.0);
        let reply = timeout(ANSWER_TIMEOUT, next_line(&mut reader)).await.map_err(|_| late())??;
        let reply = reply.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let reply: ChangeReply = serde_json::from_slice(&reply).map_err(io::Error::other)?;
        Ok(reply.error)
    }

    async fn one_line(mut self, request: &StatusRequest) -> Result<Status, StatusError> {
        self.send(request).await?;
        let mut watch = StatusWatch(BufReader::new(self.0));
        let status = timeout(ANSWER_TIMEOUT, watch.next()).await.map_err(|_| late())??;
        Ok(status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)
    }

    async fn send(&mut self, request: &StatusRequest) -> io::Result<()> {
        let line = line(request);
        timeout(ANSWER_TIMEOUT, self.0.write_all(&line)).await.map_err(|_| late())?
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

fn line(request: &StatusRequest) -> zeroize::Zeroizing<Vec<u8>> {
    let mut line = serde_json::to_vec(request).expect("plain data");
    line.push(b'\n');
    zeroize::Zeroizing::new(line)
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// A stream of statuses.
pub struct StatusWatch(BufReader<UnixStream>);

impl StatusWatch {
    /// The next status, or `None` when the daemon is gone.
    pub async fn next(&mut self) -> Result<Option<Status>, StatusError> {
        match next_line(&mut self.0).await? {
            None => Ok(None),
            Some(line) => Ok(Some(serde_json::from_slice(&line).map_err(io::Error::other)?)),
        }
    }
}
