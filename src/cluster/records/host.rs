//! What is kept of a member: one record for each of those who write, so that they do not get into
//! each other's way. Who it is lies at its own path, and all else below: it cannot be deleted while
//! there is something left of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::{Stored, sharded};
use crate::{
    model::{KeyId, RoleSet, RunnerId, TokenId},
    rt::Timestamp,
    store::StorePath,
    wire::hosts::Facts,
};

/// Who a member is. Written when it joins, is replaced, or is known by another key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    pub runner_id: RunnerId,
    pub key: KeyId,
    pub joined: Joined,
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

/// What a member says of itself. Its polls write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsRecord {
    pub facts: Facts,
    pub facts_hash: String,
}

/// What a member is meant to run. Changes of roles write it, blessings among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRecord {
    pub roles: RoleSet,
    /// Names beside the four roles that ECE's tools may have given it.
    #[serde(default)]
    pub other_roles: BTreeSet<String>,
    /// One more with each change.
    pub revision: u64,
}

/// What operators have set on a member. There is none as long as they have not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRecord {
    pub allocator: AllocatorConfig,
    /// One more with each change that the host is to hear of.
    pub revision: u64,
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

/// In schema 1 one record had all that is kept of a member.
impl Stored for IdentityRecord {
    const SCHEMA: u32 = 2;
}

impl Stored for FactsRecord {
    const SCHEMA: u32 = 1;
}

impl Stored for DesiredRecord {
    const SCHEMA: u32 = 1;
}

impl Stored for SettingsRecord {
    const SCHEMA: u32 = 1;
}

/// One of a member's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberPart {
    Identity,
    Facts,
    Desired,
    Settings,
}

impl MemberPart {
    /// Below which all members lie.
    pub fn root() -> StorePath {
        StorePath::root("hosts")
    }

    pub fn path(self, runner: &RunnerId) -> StorePath {
        let member = sharded("hosts", runner.as_str());
        match self {
            Self::Identity => member,
            Self::Facts => member.child("facts"),
            Self::Desired => member.child("desired"),
            Self::Settings => member.child("settings"),
        }
    }

    /// Whose record lies there, and which; `None` for anything else.
    pub fn at(path: &StorePath) -> Option<(RunnerId, Self)> {
        let (_shard, name) = path.below(&Self::root())?.split_once('/')?;
        let (name, part) = match name.split_once('/') {
            None => (name, Self::Identity),
            Some((name, "facts")) => (name, Self::Facts),
            Some((name, "desired")) => (name, Self::Desired),
            Some((name, "settings")) => (name, Self::Settings),
            Some(_) => return None,
        };
        Some((name.parse().ok()?, part))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_whose_record_it_is_and_which() {
        let runner: RunnerId = "10.0.0.7".parse().expect("an id");
        for part in
            [MemberPart::Identity, MemberPart::Facts, MemberPart::Desired, MemberPart::Settings]
        {
            assert_eq!(MemberPart::at(&part.path(&runner)), Some((runner.clone(), part)));
        }
        let identity = MemberPart::Identity.path(&runner);
        for other in [
            MemberPart::root(),
            MemberPart::root().child("ab"),
            identity.child("unknown"),
            identity.child("facts").child("more"),
            KeyRecord::root().child("ab").child("10.0.0.7"),
        ] {
            assert_eq!(MemberPart::at(&other), None, "{other}");
        }
    }
}
