use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};

use super::{
    allocators::public_hostname,
    auth::{Permit, ReadHosts},
    error::ApiError,
};
use crate::{
    coordinator::{app::App, records::HostRecord},
    model::Role,
    wire::{
        FailedReply,
        proxies::{ProxiesSettings, ProxyInfo, ProxyOverview},
    },
};

/// List the proxies
#[utoipa::path(
    get,
    path = "/infrastructure/proxies",
    operation_id = "get-proxies",
    responses((status = 200, description = "All proxies", body = ProxyOverview))
)]
pub async fn list(_permit: Permit<ReadHosts>, State(app): State<Arc<App>>) -> Json<ProxyOverview> {
    let view = app.registry.view();
    let proxies: Vec<ProxyInfo> =
        view.hosts().filter(|host| host.has(Role::Proxy)).map(|host| shown(&app, host)).collect();
    Json(ProxyOverview {
        proxies_count: i32::try_from(proxies.len()).unwrap_or(i32::MAX),
        settings: ProxiesSettings::default(),
        proxies,
    })
}

/// Show a proxy
#[utoipa::path(
    get,
    path = "/infrastructure/proxies/{proxy_id}",
    operation_id = "get-proxy",
    params(("proxy_id" = String, Path, description = "The proxy's runner id")),
    responses(
        (status = 200, description = "The proxy", body = ProxyInfo),
        (status = 404, description = "proxies.proxy_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ProxyInfo>, ApiError> {
    let host = app.member(&id, Some(Role::Proxy)).ok_or(ApiError::NoSuchProxy(id))?;
    Ok(Json(shown(&app, &host)))
}

fn shown(app: &App, host: &HostRecord) -> ProxyInfo {
    let tags = &host.facts.proxy_tags.0;
    ProxyInfo {
        proxy_id: host.runner_id.to_string(),
        runner_id: host.runner_id.to_string(),
        host_ip: host.facts.host_ip.to_string(),
        public_hostname: public_hostname(host),
        metadata: BTreeMap::clone(tags),
        healthy: app.liveness.is_healthy(&host.runner_id, Some(Role::Proxy)),
        zone: host.facts.zone.to_string(),
        allocations: Vec::new(),
    }
}
