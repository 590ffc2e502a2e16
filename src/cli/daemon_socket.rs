//! The way to the daemon of a state directory. What listens there has to be the daemon: else it
//! could say what it likes, and be told what it should not.

use std::io;

use super::service_layout::{is_unit_there, runs_as_service};
use crate::{
    agent::{DaemonClient, DaemonError, Peer},
    config::StateDir,
    daemon::StateLock,
    host::service::unit_process,
};

pub async fn connect(state: &StateDir) -> Result<DaemonClient, DaemonError> {
    let client = DaemonClient::connect(state).await?;
    match why_not_the_daemon(client.peer()?, state) {
        None => Ok(client),
        Some(reason) => Err(client.is_not_the_daemon(io::Error::other(reason))),
    }
}

fn why_not_the_daemon(peer: Peer, state: &StateDir) -> Option<String> {
    let is_service = runs_as_service(state) && is_unit_there();
    // What is root's was started by hand.
    if is_service && peer.uid != 0 {
        let unit = unit_process();
        let listens = peer.process.map_or("another process".into(), |pid| format!("process {pid}"));
        return match unit {
            Some(unit) if peer.process == Some(unit) => None,
            Some(unit) => Some(format!("{listens} listens, and the service is process {unit}")),
            None => Some(format!("{listens} listens, and the service does not run")),
        };
    }
    let nobody = StateLock::must_be_free(state).is_ok();
    nobody.then(|| "no daemon works on the state directory".into())
}
