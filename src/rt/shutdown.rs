use tokio::sync::watch;

/// Ends everything that holds a [`Shutdown`] made from it.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// A latch that tasks wait on: once set it stays set.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl ShutdownTrigger {
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns once the trigger has fired or is gone.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        let _gone_counts_as_fired = receiver.wait_for(|fired| *fired).await;
    }

    pub fn has_fired(&self) -> bool {
        *self.0.borrow()
    }
}
