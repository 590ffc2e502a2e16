use std::{panic::resume_unwind, time::Duration};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// Does work that blocks on a thread that may. A panic of it is one of whoever asked.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is going down, and this with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// How long a disk has for a small file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Work of a disk that may never answer: one at a time, and waited for a little only.
#[derive(Default)]
pub struct Patient(Option<JoinHandle<()>>);

impl Patient {
    /// `None` if it was not done in time, or not begun because the one before it is not done.
    ///
    /// # Panics
    /// If the work does.
    pub async fn aside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.0.as_ref().is_some_and(|before| !before.is_finished()) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        // Nobody may wait for it any more.
        let doing = self.0.insert(spawn_blocking(move || drop(tell.send(work()))));
        match timeout(PATIENCE, told).await {
            Ok(Ok(done)) => {
                // It is told a moment before it is over.
                self.0 = None;
                Some(done)
            }
            Ok(Err(_)) => match doing.await.map_err(tokio::task::JoinError::try_into_panic) {
                Err(Ok(panic)) => resume_unwind(panic),
                // The runtime is going down.
                _ => None,
            },
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_is_not_done_in_time_holds_nobody_up_and_lets_nothing_overtake_it() {
        let (let_go, held) = channel::<()>();
        let mut patient = Patient::default();
        assert_eq!(patient.aside(|| 1).await, Some(1));
        assert_eq!(patient.aside(move || held.recv().is_ok()).await, None);
        assert_eq!(patient.aside(|| 2).await, None);
        let_go.send(()).expect("it waits still");
        let done = async {
            loop {
                if let Some(done) = patient.aside(|| 3).await {
                    return done;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert_eq!(timeout(Duration::from_secs(60), done).await, Ok(3));
    }
}
