//! What a session keeps on the disk of what it is told.

use std::time::Duration;

use tokio::time::Instant;

use super::{Memory, Session};
use crate::{
    agent::{desired::save_desired, identity::save_identity},
    wire::hosts::KnownCoordinator,
};

/// The least time between two writings of the list of coordinators.
pub(super) const SAVE_INTERVAL: Duration = Duration::from_secs(60);

impl Session {
    /// Turns to the coordinators that there are now from the next poll on.
    pub(super) fn learn(&mut self, memory: &mut Memory, known: Vec<KnownCoordinator>) {
        self.identity.known = known;
        self.verifier.set_known_keys(self.identity.known.iter().map(|known| known.key));
        let current = memory.coordinators.swap_remove(memory.current);
        let mut others = self.identity.coordinators();
        others.retain(|address| address != current.address());
        memory.coordinators = vec![current];
        memory.coordinators.extend(others.into_iter().map(&self.dial));
        memory.current = 0;
        memory.unsaved = true;
    }

    pub(super) async fn save_learned(&self, memory: &mut Memory) {
        memory.saved = Some(Instant::now());
        let (state, identity) = (self.state.clone(), self.identity.clone());
        let saved = memory.disk.aside(move || save_identity(&state, &identity)).await;
        // One that takes its time is asked again.
        memory.unsaved = saved.is_none();
        if let Some(Err(error)) = saved {
            tracing::warn!(%error, "the list of coordinators was not kept: {error}");
        }
    }

    /// What is not on the disk is tried again with each reply; that it is not, is said once.
    pub(super) async fn keep_desired(&self, memory: &mut Memory) {
        let kept = save_desired(&mut memory.disk, &self.state, &memory.desired).await;
        if let Err(error) = &kept
            && memory.kept
        {
            tracing::warn!(%error, "the desired state was not kept: {error}");
        }
        memory.kept = kept.is_ok();
    }
}
