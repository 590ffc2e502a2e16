use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::body::Bytes;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use crate::rt::aside;

/// How long content stays after somebody has asked for it.
const KEPT: Duration = Duration::from_secs(10);

type Read = fn() -> io::Result<Vec<u8>>;

/// A file's content: in memory while somebody gets it and a little longer, so that those who ask
/// and go away do not have it read again each time; and once, however many there are.
pub struct Kept {
    read: Read,
    state: Mutex<State>,
}

struct State {
    content: Weak<Vec<u8>>,
    held: Option<Held>,
}

struct Held {
    _content: Arc<Vec<u8>>,
    until: Instant,
}

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Kept {
    pub const fn new(read: Read) -> Self {
        Self { read, state: Mutex::const_new(State { content: Weak::new(), held: None }) }
    }

    /// The content. What has begun to be read is read to its end, also if whoever asked is gone.
    pub async fn get(&'static self) -> io::Result<Bytes> {
        tokio::spawn(self.content()).await.map_err(io::Error::other)?
    }

    async fn content(&'static self) -> io::Result<Bytes> {
        let mut state = self.state.lock().await;
        let content = match state.content.upgrade() {
            Some(content) => content,
            None => Arc::new(aside(self.read).await?),
        };
        state.content = Arc::downgrade(&content);
        let until = Instant::now() + KEPT;
        if state.held.replace(Held { _content: content.clone(), until }).is_none() {
            tokio::spawn(self.let_go(until));
        }
        Ok(Bytes::from_owner(Shared(content)))
    }

    async fn let_go(&self, mut until: Instant) {
        loop {
            sleep_until(until).await;
            let mut state = self.state.lock().await;
            match &state.held {
                Some(held) if held.until > until => until = held.until,
                _ => {
                    state.held = None;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_and_go_away_it_is_read_once_in_ten_seconds() {
        static READ: AtomicUsize = AtomicUsize::new(0);
        static FILE: Kept = Kept::new(|| {
            READ.fetch_add(1, Ordering::SeqCst);
            Ok(vec![1, 2, 3])
        });
        for _ in 0..100 {
            let mut asked = Box::pin(FILE.get());
            let gone = tokio::select! {
                biased;
                _ = &mut asked => false,
                () = std::future::ready(()) => true,
            };
            assert!(gone, "gone before there was an answer");
        }
        assert_eq!(FILE.get().await.expect("content"), [1, 2, 3].as_slice());
        advance(KEPT - Duration::from_secs(1)).await;
        drop(FILE.get().await);
        advance(KEPT - Duration::from_secs(1)).await;
        let downloading = FILE.get().await.expect("content");
        assert_eq!(READ.load(Ordering::SeqCst), 1);
        let held = || async { FILE.state.lock().await.held.is_some() };
        while held().await {
            tokio::time::sleep(KEPT).await;
        }
        drop(FILE.get().await);
        assert_eq!(READ.load(Ordering::SeqCst), 1, "somebody still gets it");
        drop(downloading);
        while held().await {
            tokio::time::sleep(KEPT).await;
        }
        drop(FILE.get().await);
        assert_eq!(READ.load(Ordering::SeqCst), 2, "it was let go");
    }
}
