use tokio::signal::unix::{SignalKind, signal};

use crate::rt::{ShutdownTrigger, disk::FILE_MAY_NOT_GROW};

/// Fires `stop` on SIGTERM and SIGINT. A second signal ends the process at once. A file that may not
/// grow is an error of whoever writes it, and no end.
pub fn stop_on_signals(stop: ShutdownTrigger) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Once there is a handler, it stays.
    drop(signal(SignalKind::from_raw(FILE_MAY_NOT_GROW))?);
    tokio::spawn(async move {
        for repeated in [false, true] {
            let number = tokio::select! {
                _ = terminate.recv() => 15,
                _ = interrupt.recv() => 2,
            };
            if repeated {
                std::process::exit(128 + number);
            }
            stop.fire();
        }
    });
    Ok(())
}
