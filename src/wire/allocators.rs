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
    /// RFC 3339: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_mode_timestamp: Option<String>,
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
    /// MB (2^20 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetadataItems {
    pub items: Vec<MetadataItem>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetadataItemValue {
    pub value: String,
}

/// What moving instances away came to; nothing runs here that could move.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct MoveClustersCommandResponse {
    pub moves: MoveClustersDetails,
    pub failures: MoveClustersDetails,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct MoveClustersDetails {
    #[schema(value_type = Vec<Object>)]
    pub elasticsearch_clusters: Vec<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    pub kibana_clusters: Vec<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    pub apm_clusters: Vec<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    pub appsearch_clusters: Vec<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    pub enterprise_search_clusters: Vec<serde_json::Value>,
}

/// What bringing an index in step came to; lists are answered from what is stored, so there is
/// nothing to bring in step.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ModelVersionIndexSynchronizationResults {
    #[schema(value_type = Object)]
    pub results: std::collections::BTreeMap<String, serde_json::Value>,
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
