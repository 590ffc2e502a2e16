//! The way to the daemon of a state directory. What listens there has to be the daemon: else it
//! could say what it likes, and be told what it should not.

use std::io;

use super::service_layout::{ServiceLayout, is_unit_there, runs_as_service};
use crate::{
    agent::{DaemonClient, DaemonError, Peer},
    config::StateDir,
    daemon::StateLock,
    host::{process::is_program_of, service::unit_process},
};

pub async fn connect(state: &StateDir) -> Result<DaemonClient, DaemonError> {
    let client = DaemonClient::connect(state).await?;
    let peer = client.peer()?;
    // What is root's was started by hand.
    if runs_as_service(state) && is_unit_there() && peer.uid != 0 {
        let unit = unit_process();
        return match peer.process {
            Some(process) if unit == Some(process) => Ok(client),
            Some(process) if is_daemon(process, state) => {
                Err(DaemonError::NotTheService { process, dir: state.path().to_owned() })
            }
            _ => Err(client.is_not_the_daemon(io::Error::other(not_the_unit(peer, unit)))),
        };
    }
    match StateLock::is_free(state) {
        true => {
            let reason = "no daemon works on the state directory";
            Err(client.is_not_the_daemon(io::Error::other(reason)))
        }
        false => Ok(client),
    }
}

fn not_the_unit(peer: Peer, unit: Option<u32>) -> String {
    let listens = peer.process.map_or("another process".into(), |pid| format!("process {pid}"));
    match unit {
        Some(unit) => format!("{listens} listens, and the service is process {unit}"),
        None => format!("{listens} listens, and the service does not run"),
    }
}

/// Whether the process runs this program, and somebody works on the state directory.
fn is_daemon(process: u32, state: &StateDir) -> bool {
    is_program_of(process, ServiceLayout::BINARY.as_ref()) && !StateLock::is_free(state)
}
