use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Actor, Stored, shard, sharded};
use crate::{
    model::{KeyId, RoleSet, RunnerId, TokenId},
    rt::Timestamp,
    store::StorePath,
};

/// A roles token as the cluster knows it. The record decides, not the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    pub id: TokenId,
    /// SHA-256 of the whole text, in hexadecimal digits.
    pub text_digest: String,
    pub roles: RoleSet,
    /// `None` for a persistent token.
    pub expires_at: Option<Timestamp>,
    pub max_uses: Option<u32>,
    pub description: Option<String>,
    /// A host that came with it may be replaced with it once it is gone.
    #[serde(default)]
    pub allow_replace: bool,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub created_from: IpAddr,
    pub revoked: Option<Revocation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    pub at: Timestamp,
    pub by: Actor,
}

impl Stored for TokenRecord {
    const SCHEMA: u32 = 1;
}

impl TokenRecord {
    pub fn root() -> StorePath {
        StorePath::root("tokens")
    }

    pub fn path(id: TokenId) -> StorePath {
        sharded("tokens", &id.to_string())
    }

    pub fn is_persistent(&self) -> bool {
        self.expires_at.is_none()
    }
}

/// That a token let a host in. Made once and never given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseRecord {
    pub runner_id: RunnerId,
    pub key: KeyId,
    pub at: Timestamp,
}

impl Stored for UseRecord {
    const SCHEMA: u32 = 1;
}

impl UseRecord {
    pub const ROOT: &str = "token-uses";

    pub fn root(token: TokenId) -> StorePath {
        StorePath::root(Self::ROOT).child(&token.to_string())
    }

    /// The place of use number `slot` of a token with a limit.
    pub fn slot_path(token: TokenId, slot: u32) -> StorePath {
        Self::root(token).child(&slot.to_string())
    }

    /// The place of a host's use of a token without a limit.
    pub fn host_path(token: TokenId, key: &KeyId) -> StorePath {
        let key = key.digits();
        Self::root(token).child(&shard(&key)).child(&key)
    }
}
