use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::coordinators::{ConstructorOverview, CoordinatorsSummary};

/// The one region that there is.
pub const REGION: &str = "ece-region";

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformInfo {
    pub version: String,
    /// Always empty: there are no containers.
    #[schema(value_type = Vec<Object>)]
    pub services: Vec<serde_json::Value>,
    pub phone_home_enabled: bool,
    pub eula_accepted: bool,
    pub regions: Vec<RegionInfo>,
    #[schema(value_type = Vec<Object>)]
    pub unreachable_regions: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RegionInfo {
    pub region_id: String,
    pub zookeeper_states: ZookeeperSummary,
    pub allocators: AllocatorsSummary,
    pub runners: RunnersSummary,
    pub proxies: ProxiesSummary,
    pub container_sets_status: ContainerSetsSummary,
    pub constructors: ConstructorOverview,
    pub coordinators: CoordinatorsSummary,
    pub resources: PlatformResourcesSummary,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ZookeeperSummary {
    /// The datastore, as ECE shows its ensemble.
    pub states: Vec<ZookeeperNodeInfo>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ZookeeperNodeInfo {
    pub id: String,
    pub state: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AllocatorsSummary {
    pub healthy: bool,
    pub zone_summaries: Vec<AllocatorsZoneSummary>,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct AllocatorsZoneSummary {
    pub zone_id: String,
    pub total_allocators: i32,
    pub healthy_allocators: i32,
    pub connected_allocators: i32,
    pub disconnected_allocators: i32,
    pub in_maintenance_allocators: i32,
    /// MB.
    pub connected_capacity: i32,
    /// MB.
    pub max_available_capacity: i32,
    pub instances: i32,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunnersSummary {
    pub healthy: bool,
    pub total_runners: i32,
    pub healthy_runners: i32,
    pub connected_runners: i32,
    /// MB.
    pub connected_capacity: i32,
    /// MB.
    pub max_available_capacity: i32,
    pub containers_count: i32,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProxiesSummary {
    pub healthy: bool,
    pub expected_proxies_count: i32,
    pub proxies_count: i32,
    pub proxies: Vec<ProxySummary>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProxySummary {
    pub proxy_id: String,
    pub healthy: bool,
}

/// Always empty and well: there are no containers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContainerSetsSummary {
    pub healthy: bool,
    pub healthy_container_sets_count: i32,
    pub unhealthy_container_sets_count: i32,
    #[schema(value_type = Vec<Object>)]
    pub unhealthy_container_sets: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformResourcesSummary {
    pub healthy: bool,
    pub available_count: i32,
    pub used_count: i32,
    pub missing_count: i32,
    pub minimum_available_count: i32,
    pub account_count: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiBaseUrlData {
    pub value: String,
}
