//! What becomes of a host that the cluster does not want.

use std::time::Duration;

use super::{GOODBYE_TIMEOUT, Memory, Session};
use crate::{
    agent::status::AgentState,
    model::{Code, CoordinatorAddress, Failure, RunnerId},
    wire::desired::DesiredState,
};

/// How often a host that was refused asks again: somebody may have changed their mind.
const RETRY_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// What no coordinator of the cluster will see otherwise.
pub(super) const FINAL: [Code; 2] = [Code::HostRemoved, Code::HostCloned];

impl Session {
    pub(super) async fn refused(
        &mut self,
        memory: &mut Memory,
        coordinator: &CoordinatorAddress,
        failure: &Failure,
    ) -> Duration {
        // Whoever refuses may be the coordinator that runs here, and nobody else could take it back.
        memory.desired = DesiredState::of(&memory.desired.known_roles().that_keep_the_cluster());
        self.apply(&memory.desired).await;
        self.keep_desired(memory).await;
        memory.notices.clear();
        self.show(memory, coordinator);
        self.board.set_state(AgentState::Refused, Some(failure), self.clock.now());
        RETRY_AFTER_REFUSAL
    }

    /// The key is another host's, whose place this one does not take.
    pub(super) async fn stand_back(&mut self, memory: &mut Memory, other: &RunnerId) -> Duration {
        let goodbye = self.request(memory, true);
        let coordinator = &memory.coordinators[memory.current];
        let address = coordinator.address().clone();
        // If nobody hears it, the coordinator notices the silence.
        let _ = coordinator.poll(&goodbye, GOODBYE_TIMEOUT).await;
        let message = format!(
            "the key in {} is that of the host {other}, and this is {}",
            self.state.key().display(),
            self.identity.runner_id
        );
        let failure = Failure::new(Code::IdentityOfAnother, message);
        tracing::warn!(coordinator = %address, code = failure.code(), "{}", failure.message);
        self.refused(memory, &address, &failure).await
    }
}
