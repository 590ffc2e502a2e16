use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::UnixStream,
    time::timeout,
};

use super::Status;
use crate::{config::StateDir, rt::unix_socket};

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
        self.one_line("status").await
    }

    /// Tells the daemon to stop; its last status.
    pub async fn stop(self) -> Result<Status, StatusError> {
        self.one_line("stop").await
    }

    /// The status now and at each change.
    pub async fn watch(mut self) -> Result<StatusWatch, StatusError> {
        self.0.write_all(b"watch\n").await?;
        Ok(StatusWatch(BufReader::new(self.0).lines()))
    }

    async fn one_line(mut self, request: &str) -> Result<Status, StatusError> {
        self.0.write_all(format!("{request}\n").as_bytes()).await?;
        let mut watch = StatusWatch(BufReader::new(self.0).lines());
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let status = timeout(ANSWER_TIMEOUT, watch.next()).await.map_err(|_| late())??;
        Ok(status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)
    }
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
