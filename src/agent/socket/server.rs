use std::sync::Arc;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use super::{ChangeReply, DaemonRequest, LocalAdministration, SessionReply};
use crate::{
    agent::status::StatusBoard,
    rt::{Shutdown, ShutdownTrigger},
};

const LONGEST_REQUEST: u64 = 8 * 1024;

const ELSEWHERE: &str = "the users of the API are kept on the first host";

/// Answers on the daemon's socket: a line with a [`DaemonRequest`], lines of JSON back.
pub async fn serve_socket(
    listener: UnixListener,
    board: StatusBoard,
    stop: ShutdownTrigger,
    local: Option<Arc<dyn LocalAdministration>>,
    shutdown: Shutdown,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let over = shutdown.clone();
                tokio::spawn(answer(stream, board.clone(), stop.clone(), local.clone(), over));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the daemon's socket: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer(
    stream: UnixStream,
    board: StatusBoard,
    stop: ShutdownTrigger,
    local: Option<Arc<dyn LocalAdministration>>,
    shutdown: Shutdown,
) {
    let (reader, mut writer) = stream.into_split();
    let mut request = zeroize::Zeroizing::new(String::new());
    let mut reader = BufReader::new(reader.take(LONGEST_REQUEST));
    if reader.read_line(&mut request).await.is_err() {
        return;
    }
    let mut followed = board.follow();
    // Whoever asked may be gone; then nobody misses the answer.
    match serde_json::from_str(&request).unwrap_or(DaemonRequest::Status) {
        DaemonRequest::SetPassword { user, password } => {
            let error = match local {
                Some(local) => local.set_password(&user, password).await.err(),
                None => Some(ELSEWHERE.into()),
            };
            let _ = write(&mut writer, &ChangeReply { error }).await;
        }
        DaemonRequest::OpenSession { user, password } => {
            let opened = match local {
                Some(local) => local.open_session(&user, password).await,
                None => Err(ELSEWHERE.into()),
            };
            let reply = opened.map_or_else(SessionReply::Error, SessionReply::Token);
            let _ = write(&mut writer, &reply).await;
        }
        DaemonRequest::Stop => {
            stop.fire();
            let _ = write(&mut writer, &board.read()).await;
        }
        DaemonRequest::Watch => loop {
            followed.mark_unchanged();
            if write(&mut writer, &board.read()).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                changed = followed.changed() => if changed.is_err() { return },
                // Who goes on watching asks again, and is told by what comes after.
                () = shutdown.wait() => return,
            }
        },
        DaemonRequest::Status => {
            let _ = write(&mut writer, &board.read()).await;
        }
    }
}

async fn write(
    writer: &mut tokio::net::unix::OwnedWriteHalf,
    answer: &impl serde::Serialize,
) -> std::io::Result<()> {
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(answer).expect("plain data"));
    line.push(b'\n');
    writer.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::{DaemonClient, Status},
        config::StateDir,
        model::SessionId,
        rt::{Clock, unix_socket},
    };

    #[tokio::test]
    async fn who_watches_is_let_go_when_the_socket_is_another_ones_to_answer() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = StateDir::new(dir.path().to_owned());
        let listener = unix_socket::listen(state.path(), state.socket_name()).expect("a socket");
        let session = SessionId(uuid::Uuid::new_v4());
        let status = Status::before_joining(None, session, Clock::system().now());
        let (stop, _stopped) = ShutdownTrigger::new();
        let (joined, joining) = ShutdownTrigger::new();
        tokio::spawn(serve_socket(listener, StatusBoard::new(status), stop, None, joining));
        let client = DaemonClient::connect(&state).await.expect("a daemon");
        let mut watch = client.watch().await.expect("sent");
        assert!(watch.next().await.expect("an answer").is_some());
        joined.fire();
        assert!(watch.next().await.expect("an end").is_none());
    }
}
