use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CoordinatorsSummary {
    pub coordinators: Vec<CoordinatorSummary>,
}

/// ECE shows its coordinators as members of the datastore's ensemble, hence the ports.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CoordinatorSummary {
    pub name: String,
    pub public_hostname: String,
    pub leader_port: i32,
    pub election_port: i32,
    pub client_port: i32,
    pub attributes: BTreeMap<String, String>,
}
