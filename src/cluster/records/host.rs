use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::{Stored, sharded};
use crate::{
    model::{
        CapacitySource, KeyId, Role, RoleSet, RunnerId, SessionId, TokenId, default_capacity_mb,
    },
    rt::Timestamp,
    store::StorePath,
    wire::hosts::Facts,
};

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    pub runner_id: RunnerId,
    pub key: KeyId,
    pub roles: RoleSet,
    /// Names beside the four roles that ECE's tools may have given it.
    #[serde(default)]
    pub other_roles: BTreeSet<String>,
    /// One more with each change of what the host is meant to run.
    pub desired_revision: u64,
    pub facts: Facts,
    pub facts_hash: String,
    pub joined: Joined,
    #[serde(default)]
    pub allocator: AllocatorConfig,
}

/// What the API has made of a host as an allocator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocatorConfig {
    pub maintenance_since: Option<Timestamp>,
    /// In place of the labels that the host was installed with.
    pub metadata: Option<BTreeMap<String, String>>,
    /// In place of what the host says, in MB.
    pub capacity_mb: Option<u64>,
    /// One more with each change.
    pub metadata_version: u64,
    pub settings_version: u64,
    pub modified_at: Option<Timestamp>,
}

/// How a host came in. It stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub at: Timestamp,
    pub roles: RoleSet,
    /// `None` for the first host.
    pub token: Option<TokenId>,
    pub source_address: IpAddr,
    /// Codes of checks that failed or were not made, as the operator wanted it so.
    #[serde(default)]
    pub overridden: Vec<String>,
    /// The key of the host whose place it took.
    #[serde(default)]
    pub replaced: Option<KeyId>,
}

impl Stored for HostRecord {
    const SCHEMA: u32 = 1;
}

impl HostRecord {
    /// What the audit log says of a host.
    pub fn in_audit(&self) -> serde_json::Value {
        serde_json::json!({
            "key": self.key,
            "roles": self.roles,
            "host_ip": self.facts.host_ip,
            "token_id": self.joined.token,
            "overridden": self.joined.overridden,
        })
    }

    pub fn root() -> StorePath {
        StorePath::root("hosts")
    }

    pub fn path(runner: &RunnerId) -> StorePath {
        sharded("hosts", runner.as_str())
    }

    /// What it offers as an allocator, in MB (2^20 bytes), and where the number comes from.
    pub fn capacity_mb(&self) -> (u64, CapacitySource) {
        match self.allocator.capacity_mb.or(self.facts.capacity_flag_mb) {
            Some(given) => (given, CapacitySource::Flag),
            None => {
                let total_mb = self.facts.memory_bytes >> 20;
                (default_capacity_mb(total_mb, &self.roles), self.facts.memory_source)
            }
        }
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(role)
    }

    /// The allocator's labels.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        self.allocator.metadata.as_ref().unwrap_or(&self.facts.allocator_tags.0)
    }

    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.facts.proxy_tags.0.clone();
        tags.extend(self.metadata().clone());
        tags
    }
}

/// Whose a key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum KeyRecord {
    Host {
        runner_id: RunnerId,
    },
    /// The host was removed; the key never comes back.
    Removed {
        runner_id: RunnerId,
        at: Timestamp,
    },
}

impl KeyRecord {
    /// Whether it is the key of a host that is a member.
    pub fn is_of_a_host(&self) -> bool {
        matches!(self, Self::Host { .. })
    }
}

impl Stored for KeyRecord {
    const SCHEMA: u32 = 1;
}

impl KeyRecord {
    pub fn root() -> StorePath {
        StorePath::root("keys")
    }

    pub fn path(key: &KeyId) -> StorePath {
        sharded("keys", &key.digits())
    }
}

/// Which coordinator a connected host has its session with. Written when a session starts and
/// removed when it ends, so that a coordinator that starts knows who was connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    pub runner_id: RunnerId,
    pub coordinator: RunnerId,
    pub session: SessionId,
}

impl Stored for OwnerRecord {
    const SCHEMA: u32 = 1;
}

impl OwnerRecord {
    pub fn root() -> StorePath {
        StorePath::root("owners")
    }

    pub fn path(runner: &RunnerId) -> StorePath {
        sharded("owners", runner.as_str())
    }
}
