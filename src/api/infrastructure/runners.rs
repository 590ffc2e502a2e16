use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::listing::{Listing, TooMuch, found_hosts};
use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        listed::Listed,
    },
    cluster::{
        app::App,
        hosts_now::HostsNow,
        member::Member,
        operations::{
            removal::{evict_runner, remove_runner},
            roles::{WantedRoles, set_roles},
        },
        records::Passage,
        shown::{RUNNER_FIELDS, RunnerView},
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, OptionalBody, Path, Query},
        hosts_and_tokens::{no_such_runner, not_deleted},
    },
    model::{Code, RunnerId},
    search::SearchRequest,
    wire::{
        EmptyResponse, FailedReply,
        allocators::ModelVersionIndexSynchronizationResults,
        runners::{RunnerInfo, RunnerOverview, RunnerPassage, RunnerRolesInfo},
    },
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only those that this query finds, in Lucene's syntax.
    q: Option<String>,
}

pub(super) fn runner_id(id: &str) -> Result<RunnerId, ApiError> {
    id.parse().map_err(|_| no_such_runner(id))
}

pub fn the_runner(app: &App, id: &str) -> Result<Arc<Member>, ApiError> {
    app.member(id, None).ok_or_else(|| no_such_runner(id))
}

fn overview(hosts: HostsNow<'_>, listing: &Listing) -> Result<RunnerOverview, TooMuch> {
    let page = listing.found(hosts.all().map(RunnerView))?;
    Ok(RunnerOverview { runners: page.iter().map(RunnerView::info).collect() })
}

/// List the hosts
#[utoipa::path(
    get,
    path = "/infrastructure/runners",
    operation_id = "get-runners",
    params(ListParameters),
    responses(
        (status = 200, description = "All hosts", body = RunnerOverview),
        (status = 400, description = "root.invalid_parameter", body = FailedReply),
    )
)]
pub async fn list(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Query(given): Query<ListParameters>,
) -> Result<Listed, ApiError> {
    let listing = Listing::from_parameters(&RUNNER_FIELDS, given.q.as_deref(), None, None, None)?;
    found_hosts(&app, &permit, listing, overview).await
}

/// Search the hosts
#[utoipa::path(
    post,
    path = "/infrastructure/runners/_search",
    operation_id = "search-runners",
    request_body = SearchRequest,
    responses(
        (status = 200, description = "Those that were found", body = RunnerOverview),
        (status = 400, description = "runners.search_failed", body = FailedReply),
    )
)]
pub async fn search_all(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    body: Result<OptionalBody<SearchRequest>, ApiError>,
) -> Result<Listed, ApiError> {
    let listing = Listing::from_body(Answer::RunnerSearch, body)?;
    found_hosts(&app, &permit, listing, overview).await
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
    let host = the_runner(&app, &id)?;
    let (runner, joined) = (host.runner_id.clone(), host.joined.at);
    let mut info = RunnerView(app.now(host)).info();
    let passages = app.liveness.passages.of(&runner).into_iter();
    // What was before is another host's that had its name.
    info.passages = passages.filter(|it| it.at >= joined).map(passage_shown).collect();
    Ok(Json(info))
}

fn passage_shown(passage: Passage) -> RunnerPassage {
    RunnerPassage { at: passage.at.rfc3339(), connected: passage.connected }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteParameters {
    /// Also if it is connected; its session ends at once. Not part of ECE's API.
    evict: Option<bool>,
}

/// Remove a host that is not connected, or any if that is wanted
#[utoipa::path(
    delete,
    path = "/infrastructure/runners/{runner_id}",
    operation_id = "delete-runner",
    params(("runner_id" = String, Path, description = "The host's runner id"), DeleteParameters),
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
    Query(given): Query<DeleteParameters>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let runner = runner_id(&id)?;
    let removed = match given.evict {
        Some(true) => evict_runner(&app, &permit.origin, &runner).await,
        _ => remove_runner(&app, &permit.origin, &runner).await,
    };
    removed.map_err(|error| not_deleted(&id, error))?;
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
    let runner = runner_id(&id)?;
    let Body(request) = body.map_err(|error| match error.is(Answer::InvalidBody) {
        true => error.naming_body(Answer::RunnerRoles).because(Code::RolesUnknown),
        false => error,
    })?;
    let names = request.roles.iter().map(|role| role.role_name.as_str());
    set_roles(&app, &permit.origin, &runner, WantedRoles::from_names(names)?).await?;
    Ok(Json(request))
}

/// Bring the index of hosts in step
#[utoipa::path(
    post,
    path = "/infrastructure/runners/_resync",
    operation_id = "resync-runners",
    responses((status = 202, description = "It always is", body = ModelVersionIndexSynchronizationResults))
)]
pub async fn resync_all(
    _permit: Permit<ChangeHosts>,
) -> (StatusCode, Json<ModelVersionIndexSynchronizationResults>) {
    (StatusCode::ACCEPTED, Json(Default::default()))
}

/// Bring the index of one host in step
#[utoipa::path(
    post,
    path = "/infrastructure/runners/{runner_id}/_resync",
    operation_id = "resync-runner",
    params(("runner_id" = String, Path, description = "The host's runner id")),
    responses(
        (status = 200, description = "It always is", body = EmptyResponse),
        (status = 404, description = "runners.runner_not_found", body = FailedReply),
    )
)]
pub async fn resync(
    _permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    the_runner(&app, &id)?;
    Ok(Json(EmptyResponse {}))
}
