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

/// Hosts that wait to become coordinators; none can in this version.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CoordinatorCandidatesSummary {
    #[schema(value_type = Vec<Object>)]
    pub candidates: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConstructorOverview {
    pub constructors: Vec<ConstructorInfo>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConstructorInfo {
    pub constructor_id: String,
    pub status: ConstructorHealthStatus,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConstructorHealthStatus {
    pub connected: bool,
    pub maintenance_mode: bool,
}
