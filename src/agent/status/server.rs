use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use super::StatusBoard;
use crate::rt::{Shutdown, ShutdownTrigger};

const LONGEST_REQUEST: u64 = 64;

/// Answers on the status socket: a line with a request, lines of JSON back.
///
/// `status` gives one line; `watch` one line now and one for each change; `stop` ends the daemon.
pub async fn serve_status(
    listener: UnixListener,
    board: StatusBoard,
    stop: ShutdownTrigger,
    shutdown: Shutdown,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(answer(stream, board.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the status socket");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, board: StatusBoard, stop: ShutdownTrigger) {
    let (reader, mut writer) = stream.into_split();
    let mut request = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST_REQUEST));
    if reader.read_line(&mut request).await.is_err() {
        return;
    }
    let mut followed = board.follow();
    // Whoever asked may be gone; then nobody misses the answer.
    match request.trim() {
        "stop" => {
            stop.fire();
            let _ = write(&mut writer, &board).await;
        }
        "watch" => loop {
            followed.mark_unchanged();
            if write(&mut writer, &board).await.is_err() || followed.changed().await.is_err() {
                return;
            }
        },
        _ => {
            let _ = write(&mut writer, &board).await;
        }
    }
}

async fn write(
    writer: &mut tokio::net::unix::OwnedWriteHalf,
    board: &StatusBoard,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&board.read()).expect("plain data");
    line.push(b'\n');
    writer.write_all(&line).await
}
