use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hosts::SecretText;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub user_name: String,
    pub full_name: String,
    pub email: String,
    /// Whether the user came with the cluster.
    pub builtin: bool,
    pub metadata: UserMetadata,
    pub security: UserSecurity,
}

/// Who has made and changed a user; left out where that is not known.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct UserMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserSecurity {
    pub enabled: bool,
    pub roles: Vec<String>,
    pub permissions: Vec<String>,
    pub security_realm: UserSecurityRealm,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserSecurityRealm {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    pub users: Vec<User>,
}

/// A new user, or the fields of one that are to change; others are left out.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UserChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<UserSecurityChange>,
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UserSecurityChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub password: Option<SecretText>,
}

/// Roles that a user is given, or that are taken: by the names that users have them by.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RoleAssignments {
    #[serde(default)]
    pub platform: Option<Vec<RoleAssignment>>,
    #[serde(default)]
    pub deployment: Option<Vec<RoleAssignment>>,
    /// There are no organizations.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub organization: Option<Vec<serde_json::Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct RoleAssignment {
    pub role_id: String,
    /// Roles are for all deployments.
    #[serde(default)]
    pub deployment_ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct LoginRequest {
    pub username: String,
    #[schema(value_type = String)]
    pub password: SecretText,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct TokenResponse {
    /// The bearer token.
    pub token: String,
    /// RFC 3339.
    pub session_expiration_time: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuthenticationInfo {
    pub has_totp_device: bool,
    pub has_elevated_permissions: bool,
    pub refresh_token_url: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AvailableAuthenticationMethods {
    pub password: bool,
    pub saml: bool,
    pub openid: bool,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    pub sso_methods: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateApiKeyRequest {
    pub description: String,
    /// A number and a unit: `ms`, `s`, `m`, `h` or `d`; without it the key does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyResponse {
    pub id: String,
    pub user_id: String,
    pub description: String,
    /// The key itself, only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// RFC 3339.
    pub creation_date: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<String>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKeysResponse {
    pub keys: Vec<ApiKeyResponse>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct DeleteApiKeysRequest {
    pub keys: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct DeleteUsersApiKeysRequest {
    pub user_api_keys: Vec<UserApiKey>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct UserApiKey {
    pub user_id: String,
    pub api_key_id: String,
}
