use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};

use super::{
    allocators::{REGION, build_info, public_hostname},
    auth::{ChangeHosts, Permit, ReadHosts},
    error::ApiError,
    extract::Body,
};
use crate::{
    coordinator::{
        app::App,
        liveness::Rival,
        records::HostRecord,
        services::{
            removal::remove_runner,
            roles::{WantedRoles, set_roles},
        },
    },
    model::Code,
    wire::{
        EmptyResponse, FailedReply,
        runners::{
            JoinedWith, RunnerClone, RunnerInfo, RunnerOverview, RunnerRoleInfo, RunnerRolesInfo,
        },
    },
};

/// List the hosts
#[utoipa::path(
    get,
    path = "/infrastructure/runners",
    operation_id = "get-runners",
    responses((status = 200, description = "All hosts", body = RunnerOverview))
)]
pub async fn list(_permit: Permit<ReadHosts>, State(app): State<Arc<App>>) -> Json<RunnerOverview> {
    let view = app.registry.view();
    Json(RunnerOverview { runners: view.hosts().map(|host| shown(&app, host)).collect() })
}

/// Show a host
#[utoipa::path(
    get,
    path = "/infrastructure/runners/{runner_id}",
    operation_id = "get-runner",
    params(("runner_id" = String, Path, description = "The host's runner id")),
    responses(
        (status = 200, description = "The host", body = RunnerInfo),
        (status = 404, description = "runners.runner_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<RunnerInfo>, ApiError> {
    let host = app.member(&id, None).ok_or(ApiError::NoSuchRunner(id))?;
    Ok(Json(shown(&app, &host)))
}

/// Remove a host that is not connected
#[utoipa::path(
    delete,
    path = "/infrastructure/runners/{runner_id}",
    operation_id = "delete-runner",
    params(("runner_id" = String, Path, description = "The host's runner id")),
    responses(
        (status = 200, description = "It is no member any more", body = EmptyResponse),
        (status = 400, description = "runners.runner_deletion_failed", body = FailedReply),
        (status = 404, description = "runners.runner_not_found", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let runner = id.parse().map_err(|_| ApiError::NoSuchRunner(id.clone()))?;
    remove_runner(&app, &permit.origin, &runner)
        .await
        .map_err(|error| ApiError::deleting_runner(&id, error))?;
    Ok(Json(EmptyResponse {}))
}

/// Give a host its roles
#[utoipa::path(
    put,
    path = "/infrastructure/runners/{runner_id}/roles",
    operation_id = "set-runner-roles",
    params(("runner_id" = String, Path, description = "The host's runner id")),
    request_body = RunnerRolesInfo,
    responses(
        (status = 200, description = "The roles as they were sent", body = RunnerRolesInfo),
        (status = 400, description = "runners.runner_set_roles_failed", body = FailedReply),
        (status = 404, description = "runners.runner_not_found", body = FailedReply),
    )
)]
pub async fn set_runner_roles(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Result<Body<RunnerRolesInfo>, ApiError>,
) -> Result<Json<RunnerRolesInfo>, ApiError> {
    let runner = id.parse().map_err(|_| ApiError::NoSuchRunner(id.clone()))?;
    let Body(request) = body.map_err(|error| match error {
        ApiError::InvalidBody(message) => ApiError::RolesNotSet(message, Code::RolesUnknown),
        other => other,
    })?;
    let names = request.roles.iter().map(|role| role.role_name.as_str());
    set_roles(&app, &permit.origin, &runner, WantedRoles::from_names(names)?).await?;
    Ok(Json(request))
}

fn clone_shown(rival: &Rival) -> RunnerClone {
    RunnerClone {
        address: rival.address,
        boot_id: rival.boot_id.map(|id| id.to_string()),
        seen_at: rival.seen_at.rfc3339(),
    }
}

fn shown(app: &App, host: &HostRecord) -> RunnerInfo {
    let rivals = app.liveness.rivals(&host.runner_id, app.clock.now());
    let role = |name: &str| RunnerRoleInfo { role_name: name.to_owned() };
    let names = host.roles.iter().map(|known| role(known.name()));
    RunnerInfo {
        runner_id: host.runner_id.to_string(),
        zone: host.facts.zone.to_string(),
        tags: host.tags(),
        build_info: build_info(host),
        host_ip: host.facts.host_ip.to_string(),
        public_hostname: public_hostname(host),
        containers: Vec::new(),
        roles: names.chain(host.other_roles.iter().map(|name| role(name))).collect(),
        connected: app.liveness.is_connected(&host.runner_id),
        healthy: app.liveness.is_healthy(&host.runner_id, None),
        region: REGION.to_owned(),
        joined: JoinedWith {
            at: host.joined.at.rfc3339(),
            token_id: host.joined.token.map(|token| token.to_string()),
            source_address: host.joined.source_address,
            overridden_checks: host.joined.overridden.clone(),
        },
        boot_id: app.liveness.boot_id(&host.runner_id).map(|id| id.to_string()),
        clones: rivals.iter().map(clone_shown).collect(),
    }
}
