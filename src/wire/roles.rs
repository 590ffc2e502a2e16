use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoleAggregates {
    pub values: Vec<RoleAggregate>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoleAggregate {
    pub id: String,
    pub role: RoleWithMeta,
    /// Left out of a role that every host has by itself (`auto_blessed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blessings: Option<BlessingsWithMeta>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoleWithMeta {
    pub value: RoleDefinition,
    pub meta: Metadata,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoleDefinition {
    pub id: String,
    pub auto_blessed: bool,
    /// What ECE would run for the role; kept as it is given.
    #[schema(value_type = Vec<Object>)]
    pub containers: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BlessingsWithMeta {
    pub value: Blessings,
    pub meta: Metadata,
}

/// The hosts that have a role.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Blessings {
    pub runner_ids_to_blessing: BTreeMap<String, Blessing>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Blessing {
    pub value: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Metadata {
    /// RFC 3339.
    pub created_time: String,
    /// RFC 3339.
    pub modified_time: String,
    pub version: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct RoleAggregateCreateData {
    pub role: RoleDefinition,
    #[serde(default)]
    pub blessings: Option<Blessings>,
}
