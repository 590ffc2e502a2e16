use serde::{Deserialize, Serialize};

use super::Stored;
use crate::{model::Fingerprint, rt::Timestamp, store::StorePath};

/// The cluster itself. Keys are sealed with the cluster's master key, which is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    pub cluster_id: String,
    pub created_at: Timestamp,
    /// The first is the one that signs.
    pub authorities: Vec<AuthorityRecord>,
    /// The first is the one that signs.
    pub signing_keys: Vec<SigningKeyRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityRecord {
    pub fingerprint: Fingerprint,
    /// Base64 of the DER.
    pub certificate: String,
    pub sealed_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    pub name: String,
    pub sealed_key: String,
}

impl Stored for ClusterRecord {
    const SCHEMA: u32 = 1;
}

impl ClusterRecord {
    pub fn path() -> StorePath {
        StorePath::root("cluster")
    }
}
