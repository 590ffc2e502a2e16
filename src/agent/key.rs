//! The host's key: made once, and given up only when the cluster says that it is of no use.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    identity::{Identity, IdentityError, read_private},
    state::not_writable,
};
use crate::{
    client::{ClientError, CoordinatorClient, Dialler, HttpCoordinator},
    config::StateDir,
    host::Machine,
    model::{Code, Failure, SessionId},
    rt::files,
    tls::{PinVerifier, PrivateKey},
    wire::hosts::{HOLD_BEFORE_TOLD_MS, PROTOCOL, SessionRequest},
};

/// Longer than a coordinator takes to find out which of two machines was there first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What became of the host's key.
#[derive(Debug)]
pub enum HostKeyState {
    Missing,
    There(PrivateKey),
}

pub fn load_key(state: &StateDir) -> Result<HostKeyState, IdentityError> {
    let Some((path, pem)) = read_private(state.key())? else { return Ok(HostKeyState::Missing) };
    let pem = std::str::from_utf8(&pem).map_err(|_| IdentityError::Damaged(path.clone()))?;
    PrivateKey::from_pem(pem).map(HostKeyState::There).map_err(|_| IdentityError::Damaged(path))
}

/// The host's key; made now if there is none.
pub fn load_or_make_key(state: &StateDir) -> Result<PrivateKey, Failure> {
    match load_key(state)? {
        HostKeyState::There(key) => Ok(key),
        HostKeyState::Missing => renew_key(state),
    }
}

pub(super) fn renew_key(state: &StateDir) -> Result<PrivateKey, Failure> {
    let key =
        PrivateKey::generate().map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    files::write_private(&state.key(), key.to_pem().expose().as_bytes())
        .map_err(|error| not_writable(&state.key(), error))?;
    Ok(key)
}

/// How this host reaches the coordinators of its cluster.
pub fn dialler(identity: &Identity, key: &PrivateKey) -> Result<Arc<Dialler>, Failure> {
    let verifier = Arc::new(PinVerifier::new(
        identity.pins.iter().copied(),
        identity.known.iter().map(|known| known.key),
    ));
    let dialler = Dialler::new(verifier, Some(key));
    dialler.map(Arc::new).map_err(|error| Failure::new(Code::Internal, error.to_string()))
}

/// Asks the cluster whether this host may give up its key: it was removed, is unknown, or is a
/// copy of another that is connected.
pub async fn may_give_up(
    identity: &Identity,
    state: &StateDir,
    machine: &dyn Machine,
) -> Result<(), Failure> {
    let HostKeyState::There(key) = load_key(state)? else { return Ok(()) };
    let dialler = dialler(identity, &key)?;
    let mut last = Failure::new(Code::Internal, "no coordinator is known");
    for address in identity.coordinators() {
        let coordinator = HttpCoordinator::new(address, dialler.clone());
        let session = SessionId(Uuid::new_v4());
        let sign = sign_of_life(session, machine, false);
        match coordinator.poll(&sign, ANSWER_TIMEOUT).await {
            Ok(reply) => {
                let goodbye = sign_of_life(session, machine, true);
                // If nobody hears it, the closed connection says the same.
                let _ = coordinator.poll(&goodbye, ANSWER_TIMEOUT).await;
                if reply.runner_id.is_some_and(|it| it != identity.runner_id) {
                    return Ok(());
                }
                let message = format!("{} is a member in good standing", identity.runner_id);
                return Err(Failure::new(Code::JoinNotNeeded, message));
            }
            Err(error @ ClientError::Refused { .. }) => {
                const USELESS: [Code; 3] = [Code::HostRemoved, Code::HostUnknown, Code::HostCloned];
                return match USELESS.into_iter().any(|code| error.is(code)) {
                    true => Ok(()),
                    false => Err(error.into()),
                };
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// A poll of a session of its own, which wants nothing but an answer.
fn sign_of_life(session: SessionId, machine: &dyn Machine, closing: bool) -> SessionRequest {
    SessionRequest {
        protocol: PROTOCOL,
        session,
        facts_hash: String::new(),
        facts: None,
        applied_revision: 0,
        health: Default::default(),
        hold_ms: HOLD_BEFORE_TOLD_MS,
        closing,
        boot_id: machine.boot_id(),
    }
}
