use std::sync::{Arc, Mutex};

use super::local_coordinator::store_failure;
use crate::{
    agent::{Identity, RoleService},
    cluster::app::datastore_full,
    config::StateDir,
    model::{Code, CoordinatorLayout, Failure, Role},
    rt::aside,
    store::{SharedStore, StoreError},
    wire::desired::RolePayload,
};

/// Where the cluster's datastore is: in this version on one host.
#[derive(Clone)]
pub(super) struct Datastore {
    state: StateDir,
    /// The coordinator of this host has it open.
    open: Arc<Mutex<Option<SharedStore>>>,
    /// It is here, and if it is not, it is missing.
    belongs_here: bool,
}

impl Datastore {
    pub(super) fn of(state: &StateDir, identity: &Identity) -> Self {
        let open = Arc::default();
        Self { state: state.clone(), open, belongs_here: identity.first_host }
    }

    /// The coordinator of this host has opened it, or closed it.
    pub(super) fn is(&self, open: Option<SharedStore>) {
        *self.open.lock().expect("no panic while held") = open;
    }

    fn opened(&self) -> Option<SharedStore> {
        self.open.lock().expect("no panic while held").clone()
    }

    /// Writes, and leaves nothing: only who writes sees whether a disk has room again.
    async fn must_take_writes(&self) -> Result<(), Failure> {
        let Some(store) = self.opened() else { return Ok(()) };
        let tried = async { store.close_lease(store.open_lease().await?.id()).await };
        tried.await.map_err(|error| match error {
            StoreError::Full => full(),
            other => store_failure(other),
        })
    }

    pub(super) async fn must_be_here(&self) -> Result<(), Failure> {
        let file = CoordinatorLayout::of(&self.state.coordinator()).store();
        if self.belongs_here || aside(move || file.exists()).await {
            return Ok(());
        }
        let message = "the cluster's datastore is not on this host, and it waits for it";
        Err(Failure::new(Code::RolesNoDatastore, message))
    }
}

/// The role director of a cluster whose datastore is a file, which the coordinator beside it opens: it
/// tells of one that is not here, and of a disk that is full.
pub(super) struct Director(pub(super) Datastore);

#[async_trait::async_trait]
impl RoleService for Director {
    fn role(&self) -> Role {
        Role::Director
    }

    async fn apply(&mut self, _wanted: &RolePayload) -> Result<(), Failure> {
        self.0.must_be_here().await?;
        self.0.must_take_writes().await
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> Result<String, Failure> {
        self.0.must_be_here().await?;
        match self.0.opened().is_some_and(|store| store.is_full()) {
            true => Err(full()),
            false => Ok("keeps the datastore on this machine".into()),
        }
    }
}

fn full() -> Failure {
    let mut failure = datastore_full();
    failure.message = "its disk is full: hosts, roles, keys and tokens can be taken away, and nothing else changed".into();
    failure
}
