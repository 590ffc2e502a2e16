use std::{collections::BTreeMap, sync::Arc};

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
        operations::removal::{RemoveError, remove_allocator},
        shown::{ALLOCATOR_FIELDS, AllocatorView},
    },
    http::{
        error::{Answer, ApiError},
        extract::{OptionalBody, Path, Query},
    },
    model::{Role, RunnerId},
    search::SearchRequest,
    wire::{
        EmptyResponse, FailedReply,
        allocators::{
            AllocatorInfo, AllocatorOverview, AllocatorZoneInfo,
            ModelVersionIndexSynchronizationResults, MoveClustersCommandResponse,
        },
    },
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only those that this query finds, in Lucene's syntax.
    q: Option<String>,
    /// At most this many allocators; all without it.
    size: Option<String>,
    /// Skip this many allocators.
    from: Option<String>,
    /// Fields to sort by, separated by commas, `-` before one for the other direction.
    sort: Option<String>,
}

pub fn runner_id(id: &str) -> Result<RunnerId, ApiError> {
    id.parse().map_err(|_| no_such_allocator(id))
}

pub fn no_such_allocator(id: &str) -> ApiError {
    Answer::NoSuchAllocator.saying(format!("there is no allocator {id}"))
}

fn not_deleted(id: &str, error: RemoveError) -> ApiError {
    match error {
        RemoveError::NotFound | RemoveError::LastOfItsKind { .. } => no_such_allocator(id),
        RemoveError::Connected(_) => {
            let message = format!("the allocator {id} is connected; stop its daemon first");
            Answer::AllocatorConnected.saying(message)
        }
        RemoveError::Unreadable { .. } => Answer::UnreadableHost.saying(error.to_string()),
        RemoveError::Unfinished(error) => error.into(),
    }
}

pub fn the_allocator(app: &App, id: &str) -> Result<Arc<Member>, ApiError> {
    let found = app.member(id, Some(Role::Allocator));
    found.ok_or_else(|| no_such_allocator(id))
}

fn overview(hosts: HostsNow<'_>, listing: &Listing) -> Result<AllocatorOverview, TooMuch> {
    let all = hosts.with(Role::Allocator).map(AllocatorView);
    let mut zones: BTreeMap<String, Vec<AllocatorInfo>> = BTreeMap::new();
    for it in listing.found(all)? {
        zones.entry(it.0.member.facts.zone.to_string()).or_default().push(it.info());
    }
    let zone = |(zone_id, allocators)| AllocatorZoneInfo { zone_id, allocators };
    Ok(AllocatorOverview { zones: zones.into_iter().map(zone).collect() })
}

/// List the allocators, by zone
#[utoipa::path(
    get,
    path = "/infrastructure/allocators",
    operation_id = "get-allocators",
    params(ListParameters),
    responses(
        (status = 200, description = "The allocators", body = AllocatorOverview),
        (status = 400, description = "root.invalid_parameter", body = FailedReply),
    )
)]
pub async fn list(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Query(given): Query<ListParameters>,
) -> Result<Listed, ApiError> {
    let listing = Listing::from_parameters(
        &ALLOCATOR_FIELDS,
        given.q.as_deref(),
        given.sort.as_deref(),
        given.from.as_deref(),
        given.size.as_deref(),
    )?;
    found_hosts(&app, &permit, listing, overview).await
}

/// Search the allocators
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/_search",
    operation_id = "search-allocators",
    request_body = SearchRequest,
    responses(
        (status = 200, description = "Those that were found", body = AllocatorOverview),
        (status = 400, description = "allocators.search_failed", body = FailedReply),
    )
)]
pub async fn search_all(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    body: Result<OptionalBody<SearchRequest>, ApiError>,
) -> Result<Listed, ApiError> {
    let listing = Listing::from_body(Answer::AllocatorSearch, body)?;
    found_hosts(&app, &permit, listing, overview).await
}

/// Show an allocator
#[utoipa::path(
    get,
    path = "/infrastructure/allocators/{allocator_id}",
    operation_id = "get-allocator",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 200, description = "The allocator", body = AllocatorInfo),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<AllocatorInfo>, ApiError> {
    let host = the_allocator(&app, &id)?;
    Ok(Json(AllocatorView(app.now(host)).info()))
}

/// Take the allocator role from a host that is not connected
#[utoipa::path(
    delete,
    path = "/infrastructure/allocators/{allocator_id}",
    operation_id = "delete-allocator",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 200, description = "It is no allocator any more", body = EmptyResponse),
        (status = 400, description = "allocators.delete_connected_allocator_attempt", body = FailedReply),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let runner = runner_id(&id)?;
    remove_allocator(&app, &permit.origin, &runner)
        .await
        .map_err(|error| not_deleted(&id, error))?;
    Ok(Json(EmptyResponse {}))
}

/// Bring the index of allocators in step
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/_resync",
    operation_id = "resync-allocators",
    responses((status = 202, description = "It always is", body = ModelVersionIndexSynchronizationResults))
)]
pub async fn resync_all(
    _permit: Permit<ChangeHosts>,
) -> (StatusCode, Json<ModelVersionIndexSynchronizationResults>) {
    (StatusCode::ACCEPTED, Json(Default::default()))
}

/// Bring the index of one allocator in step
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/{allocator_id}/_resync",
    operation_id = "resync-allocator",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 200, description = "It always is", body = EmptyResponse),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn resync(
    _permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    the_allocator(&app, &id)?;
    Ok(Json(EmptyResponse {}))
}

/// Move what runs on an allocator away: nothing does
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/{allocator_id}/clusters/_move",
    operation_id = "move-clusters",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 202, description = "Nothing to move", body = MoveClustersCommandResponse),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn move_clusters(
    _permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<MoveClustersCommandResponse>), ApiError> {
    the_allocator(&app, &id)?;
    Ok((StatusCode::ACCEPTED, Json(Default::default())))
}

/// The same for one kind of what runs
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/{allocator_id}/clusters/{cluster_type}/_move",
    operation_id = "move-clusters-by-type",
    params(
        ("allocator_id" = String, Path, description = "The allocator's runner id"),
        ("cluster_type" = String, Path, description = "`elasticsearch`, `kibana`…"),
    ),
    responses(
        (status = 202, description = "Nothing to move", body = MoveClustersCommandResponse),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn move_clusters_by_type(
    permit: Permit<ChangeHosts>,
    app: State<Arc<App>>,
    Path((id, _cluster_type)): Path<(String, String)>,
) -> Result<(StatusCode, Json<MoveClustersCommandResponse>), ApiError> {
    move_clusters(permit, app, Path(id)).await
}
