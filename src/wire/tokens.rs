use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct EnrollmentTokenRequest {
    pub persistent: bool,
    /// Absent, null or empty: the token lets a host in without roles.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// For ephemeral tokens only; 1 to 31,536,000, 3,600 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity_in_seconds: Option<i64>,
    /// How many hosts the token lets in; without it any number. Not part of ECE's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<i64>,
    /// What the token is for, in words. Not part of ECE's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A host that came with it may be replaced with it once it is gone. Not part of ECE's API.
    #[serde(default)]
    pub allow_replace: bool,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RequestEnrollmentTokenReply {
    /// The token; it is never shown again.
    pub token: String,
    /// For persistent tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListEnrollmentTokenReply {
    /// Persistent tokens only.
    pub tokens: Vec<ListEnrollmentTokenElement>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListEnrollmentTokenElement {
    pub token_id: String,
    pub roles: Vec<String>,
    /// Not part of ECE's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Not part of ECE's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
}
