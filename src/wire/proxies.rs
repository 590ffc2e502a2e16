use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hosts::SecretText;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProxyOverview {
    pub proxies_count: i32,
    pub settings: ProxiesSettings,
    pub proxies: Vec<ProxyInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProxyInfo {
    pub proxy_id: String,
    pub runner_id: String,
    pub host_ip: String,
    pub public_hostname: String,
    pub metadata: BTreeMap<String, String>,
    pub healthy: bool,
    pub zone: String,
    /// Empty as long as no instances run.
    #[schema(value_type = Vec<Object>)]
    pub allocations: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProxiesSettings {
    pub expected_proxies_count: i32,
    #[schema(value_type = String)]
    pub signature_secret: SecretText,
    pub signature_valid_for_millis: i64,
    pub http_settings: ProxiesHttpSettings,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProxiesHttpSettings {
    #[schema(value_type = String)]
    pub cookie_secret: SecretText,
    pub dashboards_base_url: String,
    pub disconnected_cutoff: i64,
    pub minimum_proxy_services: i32,
    pub sso_settings: ProxiesSsoSettings,
    #[schema(value_type = String)]
    pub user_cookie_key: SecretText,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProxiesSsoSettings {
    pub cookie_name: String,
    pub default_redirect_path: String,
    pub dont_log_requests: bool,
    pub maintenance_bypass_cookie_name: String,
    pub max_age: i64,
    #[schema(value_type = String)]
    pub sso_secret: SecretText,
}

/// Proxies with these labels, of which so many are expected.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProxiesFilteredGroup {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub filters: Vec<ProxiesFilter>,
    pub expected_proxies_count: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProxiesFilter {
    pub key: String,
    pub value: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProxiesFilteredGroupHealth {
    pub group: ProxiesFilteredGroup,
    pub observed_proxies_count: i32,
    /// `Green`, `Yellow` or `Red`.
    pub status: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProxiesHealth {
    pub observed_proxies_count: i32,
    pub expected_proxies_count: i32,
    /// Empty as long as no instances run.
    #[schema(value_type = Vec<Object>)]
    pub allocations: Vec<serde_json::Value>,
    pub filtered_groups: Vec<ProxiesFilteredGroupHealth>,
    /// `Green`, `Yellow` or `Red`: the worst of all.
    pub status: String,
}
