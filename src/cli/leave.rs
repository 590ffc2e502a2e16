//! Leaving the cluster: by a host's own user, or by a child that is the service user where root
//! wants it.

use std::{io, time::Duration};

use super::{
    event::Event,
    output::Output,
    run_to_end,
    service_child::{HostChildArguments, ServiceChild},
};
use crate::{
    agent::{HostKeyState, Identity, dialler, load_key},
    client::HttpCoordinator,
    config::StateDir,
    host::{LinuxMachine, Machine, service::service_user, tree::Owner},
    model::{Code, Exit, Failure, SessionId},
};

/// What the child is called with.
pub const LEAVE_VERB: &str = "leave-cluster";

/// How long the child may take.
const LONGEST: Duration = Duration::from_secs(60);

/// What a process does that root has started as the service user.
pub fn leave_as_child(arguments: HostChildArguments, output: Output) -> Result<Exit, Failure> {
    let (state, identity) = arguments.become_user()?;
    run_to_end(leave(&identity, &state))?;
    output.tell(&Event::Left);
    Ok(Exit::Success)
}

/// Ends the membership at the first coordinator that answers.
pub async fn leave(identity: &Identity, state: &StateDir) -> Result<(), Failure> {
    let HostKeyState::There(key) = load_key(state)? else {
        return Err(Failure::new(Code::IdentityUnreadable, "the host's key is missing"));
    };
    let dialler = dialler(identity, &key)?;
    // One of its own: the daemon has ended, or this would be no way to leave.
    let session = SessionId(uuid::Uuid::new_v4());
    let mut last = Failure::new(Code::Internal, "no coordinator is known");
    for address in identity.coordinators() {
        match HttpCoordinator::new(address, dialler.clone())
            .leave(session, LinuxMachine.boot_id())
            .await
        {
            Ok(()) => return Ok(()),
            Err(error) if error.is(Code::HostRemoved) || error.is(Code::HostUnknown) => {
                return Ok(());
            }
            Err(error) if error.is(Code::HostCloned) => return Err(error.into()),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Lets a child that is the service user end the membership.
pub fn leave_as_service_user(state: &StateDir) -> Result<(), Failure> {
    let failed = |reason: String| Failure::new(Code::ServiceFailed, reason);
    let user = service_user()
        .map_err(|error| failed(error.to_string()))?
        .ok_or_else(|| failed("the user ece-agent is not there".into()))?;
    let outcome = said_by_child(user, state)
        .map_err(|error| failed(format!("the child that tells the cluster: {error}")))?;
    match outcome {
        Some(Event::Left) => Ok(()),
        Some(Event::Failed(told)) => Err(told.untrusted()),
        _ => Err(failed("the child that tells the cluster ended without a word".into())),
    }
}

fn said_by_child(user: Owner, state: &StateDir) -> io::Result<Option<Event>> {
    let arguments = HostChildArguments::of(LEAVE_VERB, state);
    let child = ServiceChild::start(user, &arguments, Default::default(), LONGEST)?;
    child.next_event()
}
