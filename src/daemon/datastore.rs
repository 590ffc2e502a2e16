use crate::{
    agent::{Identity, RoleService},
    config::StateDir,
    model::{Code, Failure, Role},
    rt::aside,
    wire::desired::RolePayload,
};

/// Where the cluster's datastore is: in this version on one host.
#[derive(Debug, Clone)]
pub(super) struct Datastore {
    state: StateDir,
    /// It is here, and if it is not, it is missing.
    belongs_here: bool,
}

impl Datastore {
    pub(super) fn of(state: &StateDir, identity: &Identity) -> Self {
        Self { state: state.clone(), belongs_here: identity.first_host }
    }

    pub(super) async fn must_be_here(&self) -> Result<(), Failure> {
        let file = self.state.coordinator().join("store.db");
        if self.belongs_here || aside(move || file.exists()).await {
            return Ok(());
        }
        let message = "the cluster's datastore is not on this host, and it waits for it";
        Err(Failure::new(Code::RolesNoDatastore, message))
    }
}

/// The role director of a cluster whose datastore is a file, which the coordinator beside it opens.
pub(super) struct Director(pub(super) Datastore);

#[async_trait::async_trait]
impl RoleService for Director {
    fn role(&self) -> Role {
        Role::Director
    }

    async fn apply(&mut self, _wanted: &RolePayload) -> Result<(), Failure> {
        self.0.must_be_here().await
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> Result<String, Failure> {
        self.0.must_be_here().await.map(|()| "keeps the datastore on this machine".into())
    }
}
