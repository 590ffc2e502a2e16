use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

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
