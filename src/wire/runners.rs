use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::allocators::BuildInfo;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunnerOverview {
    pub runners: Vec<RunnerInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunnerInfo {
    pub runner_id: String,
    pub zone: String,
    pub tags: BTreeMap<String, String>,
    pub build_info: BuildInfo,
    pub host_ip: String,
    pub public_hostname: String,
    /// Always empty: roles run inside the daemon.
    pub containers: Vec<RunnerContainerInfo>,
    pub roles: Vec<RunnerRoleInfo>,
    pub connected: bool,
    pub healthy: bool,
    pub region: String,
    /// How the host came in. Not part of ECE's API.
    pub joined: JoinedWith,
    /// What the kernel of the machine that is connected calls its boot. Not part of ECE's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Whether nothing new is to be placed on it. Not part of ECE's API.
    #[serde(default)]
    pub maintenance_mode: bool,
    /// Machines with a copy of this host's key, which are kept apart. Not part of ECE's API.
    pub clones: Vec<RunnerClone>,
    /// RFC 3339: since when a host that was connected is not. Not part of ECE's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<String>,
    /// When it was lost and came back lately, the latest last; only of one host that is shown. Not
    /// part of ECE's API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<RunnerPassage>,
    /// What is not as it should be with the host. Not part of ECE's API.
    #[serde(default)]
    pub problems: Vec<RunnerProblem>,
}

/// A host came, or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunnerPassage {
    /// RFC 3339.
    pub at: String,
    /// Whether it was connected from then on.
    pub connected: bool,
}

/// Something that an operator should know of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunnerProblem {
    /// One of ece-agent's own codes.
    pub code: String,
    pub message: String,
    /// Left out where only the host knows its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// A machine with a copy of a host's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunnerClone {
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// What its kernel calls this boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// RFC 3339: when it last asked for a session.
    pub seen_at: String,
}

/// Where a host's membership comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinedWith {
    /// RFC 3339.
    pub at: String,
    /// The roles token; absent for the first host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The address it came from.
    #[schema(value_type = String)]
    pub source_address: IpAddr,
    /// Codes of checks that failed or were not made, as the operator wanted it so.
    #[serde(default)]
    pub overridden_checks: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunnerContainerInfo {
    pub container_name: String,
    pub container_set_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunnerRoleInfo {
    pub role_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunnerRolesInfo {
    pub roles: Vec<RunnerRoleInfo>,
}
