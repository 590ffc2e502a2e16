use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::UnixStream,
    time::timeout,
};

use super::{ChangeReply, Status, StatusRequest};
use crate::{config::StateDir, model::Secret, rt::unix_socket, wire::hosts::SecretText};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the daemon of a state directory.
pub struct StatusClient(UnixStream);

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("no daemon answers for {0}")]
    NotRunning(std::path::PathBuf),
    #[error("the daemon's answer cannot be read: {0}")]
    Io(#[from] io::Error),
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
        self.0.write_all(&line(&StatusRequest::Watch)).await?;
        Ok(StatusWatch(BufReader::new(self.0).lines()))
    }

    /// Gives a user of the API a new password; why not, if it does not work.
    pub async fn set_password(
        mut self,
        user: &str,
        password: Secret,
    ) -> Result<Option<String>, StatusError> {
        let password = SecretText(password);
        let request = line(&StatusRequest::SetPassword { user: user.to_owned(), password });
        self.0.write_all(&request).await?;
        let mut lines = BufReader::new(self.0).lines();
        let reply = timeout(ANSWER_TIMEOUT, lines.next_line()).await.map_err(|_| late())??;
        let reply = reply.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let reply: ChangeReply = serde_json::from_str(&reply).map_err(io::Error::other)?;
        Ok(reply.error)
    }

    async fn one_line(mut self, request: &StatusRequest) -> Result<Status, StatusError> {
        self.0.write_all(&line(request)).await?;
        let mut watch = StatusWatch(BufReader::new(self.0).lines());
        let status = timeout(ANSWER_TIMEOUT, watch.next()).await.map_err(|_| late())??;
        Ok(status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)
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
pub struct StatusWatch(Lines<BufReader<UnixStream>>);

impl StatusWatch {
    /// The next status, or `None` when the daemon is gone.
    pub async fn next(&mut self) -> Result<Option<Status>, StatusError> {
        match self.0.next_line().await? {
            None => Ok(None),
            Some(line) => Ok(Some(serde_json::from_str(&line).map_err(io::Error::other)?)),
        }
    }
}
