use super::local_coordinator::store_failure;
use crate::{
    agent::RoleService,
    cluster::app::datastore_full,
    model::{Failure, Role},
    store::{SharedStore, StoreError},
    wire::hosts::RoleHealth,
};

/// The director of a cluster whose datastore is a file on this machine: what it does is done by the
/// store, and it tells of a disk that is full.
pub(super) struct Director(pub(super) SharedStore);

#[async_trait::async_trait]
impl RoleService for Director {
    fn role(&self) -> Role {
        Role::Director
    }

    /// Writes, and leaves nothing: only who writes sees whether a disk has room again.
    async fn start(&mut self) -> Result<(), Failure> {
        let tried = async { self.0.close_lease(self.0.open_lease().await?.id()).await };
        tried.await.map_err(|error| match error {
            StoreError::Full => full(),
            other => store_failure(other),
        })
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> RoleHealth {
        match self.0.is_full() {
            true => RoleHealth::from(&full()),
            false => RoleHealth::good("keeps the datastore on this machine"),
        }
    }
}

fn full() -> Failure {
    let mut failure = datastore_full();
    failure.message = "its disk is full: hosts, roles, keys and tokens can be taken away, and nothing else changed".into();
    failure
}
