use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Changes, the latest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    pub records: Vec<AuditEntry>,
    /// There are older ones: give this as `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One change: who, from where, of what.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// RFC 3339.
    pub at: String,
    /// `user`, `host`, `bootstrap` or `local`.
    pub actor_kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[schema(value_type = String)]
    pub source_address: IpAddr,
    /// The same as in the log and in the reply.
    pub request_id: String,
    /// `subject.verb`
    pub action: String,
    pub subject: String,
    #[schema(value_type = Object)]
    pub before: serde_json::Value,
    #[schema(value_type = Object)]
    pub after: serde_json::Value,
}

/// All roles tokens, whether they are good or not.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenLedger {
    pub tokens: Vec<LedgerToken>,
}

/// A roles token: who made it, what it allows, who came with it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LedgerToken {
    pub token_id: String,
    pub persistent: bool,
    pub roles: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    pub created_by: String,
    #[schema(value_type = String)]
    pub created_from: IpAddr,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub allow_replace: bool,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<String>,
    /// The hosts that came in with it, whether they are still there or not.
    pub uses: Vec<TokenUse>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenUse {
    pub runner_id: String,
    /// RFC 3339.
    pub at: String,
}

/// What a revocation came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct RevokedToken {
    /// The hosts that were removed with it.
    pub evicted: Vec<String>,
    /// How many are still to be removed: more than `limit` allowed.
    #[serde(default)]
    pub left: u64,
}
