use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::CapacitySource;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorOverview {
    pub zones: Vec<AllocatorZoneInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorZoneInfo {
    pub zone_id: String,
    pub allocators: Vec<AllocatorInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorInfo {
    pub allocator_id: String,
    pub zone_id: String,
    pub host_ip: String,
    pub public_hostname: String,
    pub capacity: AllocatorCapacity,
    pub settings: AllocatorSettings,
    /// What runs on the allocator; no version of ece-agent starts instances yet.
    #[schema(value_type = Vec<Object>)]
    pub instances: Vec<serde_json::Value>,
    pub metadata: Vec<MetadataItem>,
    pub status: AllocatorHealthStatus,
    pub build_info: BuildInfo,
    pub features: Vec<String>,
    pub external_links: Vec<ExternalHyperlink>,
    pub region: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorHealthStatus {
    pub connected: bool,
    pub healthy: bool,
    pub maintenance_mode: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorCapacity {
    pub memory: AllocatorCapacityMemory,
    pub storage: AllocatorCapacityStorage,
    pub available_cpus: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorCapacityMemory {
    /// MB (2^20 bytes).
    pub total: i32,
    /// MB (2^20 bytes).
    pub used: i32,
    /// Where `total` comes from: `physical`, `cgroup` or `flag`. Not part of ECE's API.
    #[schema(value_type = String)]
    pub source: CapacitySource,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocatorCapacityStorage {
    /// MiB.
    pub total: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct AllocatorSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetadataItem {
    pub key: String,
    pub value: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BuildInfo {
    pub commit_hash: String,
    pub version: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ExternalHyperlink {
    pub id: String,
    pub label: String,
    pub uri: String,
}
