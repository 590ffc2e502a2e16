//! Coordinators, those who would be, and constructors: every coordinator is its constructor.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        listed::{Listed, listed_hosts},
    },
    cluster::{
        app::App,
        hosts_now::{HostNow, HostsNow},
        member::Member,
        operations::removal::{RemoveError, remove_role},
        shown::public_hostname,
    },
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    model::Role,
    wire::{
        EmptyResponse, FailedReply,
        allocators::ModelVersionIndexSynchronizationResults,
        coordinators::{
            ConstructorHealthStatus, ConstructorInfo, ConstructorOverview,
            CoordinatorCandidatesSummary, CoordinatorSummary, CoordinatorsSummary,
        },
    },
};

/// ECE's ports of the datastore's ensemble.
const LEADER_PORT: i32 = 12898;
const ELECTION_PORT: i32 = 13898;
const CLIENT_PORT: i32 = 12191;

fn coordinator_summary(host: &Member) -> CoordinatorSummary {
    CoordinatorSummary {
        name: host.runner_id.to_string(),
        public_hostname: public_hostname(host),
        leader_port: LEADER_PORT,
        election_port: ELECTION_PORT,
        client_port: CLIENT_PORT,
        attributes: BTreeMap::from([("zone".to_owned(), host.facts.zone.to_string())]),
    }
}

fn constructor(host: &HostNow<'_>) -> ConstructorInfo {
    ConstructorInfo {
        constructor_id: host.member.runner_id.to_string(),
        status: ConstructorHealthStatus {
            connected: host.state().connected,
            maintenance_mode: false,
        },
    }
}

fn coordinators(hosts: HostsNow<'_>) -> Vec<HostNow<'_>> {
    hosts.with(Role::Coordinator).collect()
}

/// Of these hosts, those that are coordinators.
pub fn all_coordinators(hosts: &[HostNow<'_>]) -> CoordinatorsSummary {
    let all = hosts.iter().filter(|host| host.member.has(Role::Coordinator));
    CoordinatorsSummary { coordinators: all.map(|it| coordinator_summary(&it.member)).collect() }
}

/// The same, as constructors.
pub fn all_constructors(hosts: &[HostNow<'_>]) -> ConstructorOverview {
    let all = hosts.iter().filter(|host| host.member.has(Role::Coordinator));
    ConstructorOverview { constructors: all.map(constructor).collect() }
}

fn the_coordinator(app: &App, id: &str) -> Result<Arc<Member>, ApiError> {
    let found = app.member(id, Some(Role::Coordinator));
    found.ok_or_else(|| Answer::NoSuchCoordinator.saying(format!("there is no coordinator {id}")))
}

fn the_constructor(app: &App, id: &str) -> Result<Arc<Member>, ApiError> {
    app.member(id, Some(Role::Coordinator))
        .ok_or_else(|| Answer::NoSuchConstructor.saying(format!("there is no constructor {id}")))
}

/// List the coordinators
#[utoipa::path(
    get,
    path = "/infrastructure/coordinators",
    operation_id = "get-coordinators",
    responses((status = 200, description = "All coordinators", body = CoordinatorsSummary))
)]
pub async fn list(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    listed_hosts(&app, &permit, 1, |hosts| all_coordinators(&coordinators(hosts))).await
}

/// Show a coordinator
#[utoipa::path(
    get,
    path = "/infrastructure/coordinators/{coordinator_id}",
    operation_id = "get-coordinator",
    params(("coordinator_id" = String, Path, description = "The coordinator's runner id")),
    responses(
        (status = 200, description = "The coordinator", body = CoordinatorSummary),
        (status = 404, description = "coordinators.coordinator_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<CoordinatorSummary>, ApiError> {
    Ok(Json(coordinator_summary(&*the_coordinator(&app, &id)?)))
}

/// Take the coordinator role from a host; not from the last one
#[utoipa::path(
    post,
    path = "/infrastructure/coordinators/{coordinator_id}/_demote",
    operation_id = "demote-coordinator",
    params(("coordinator_id" = String, Path, description = "The coordinator's runner id")),
    responses(
        (status = 200, description = "It is no coordinator any more", body = EmptyResponse),
        (status = 400, description = "coordinators.coordinator_demote_failed", body = FailedReply),
        (status = 404, description = "coordinators.coordinator_not_found", body = FailedReply),
    )
)]
pub async fn demote(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let runner = the_coordinator(&app, &id)?.runner_id.clone();
    remove_role(&app, &permit.origin, &runner, Role::Coordinator, "coordinator.demote")
        .await
        .map_err(not_demoted)?;
    Ok(Json(EmptyResponse {}))
}

fn not_demoted(error: RemoveError) -> ApiError {
    match error {
        RemoveError::Unfinished(error) => error.into(),
        error => Answer::NotDemoted.saying(error.to_string()),
    }
}

/// List the hosts that wait to become coordinators: none can in this version
#[utoipa::path(
    get,
    path = "/infrastructure/coordinators/candidates",
    operation_id = "get-coordinator-candidates",
    responses((status = 200, description = "None", body = CoordinatorCandidatesSummary))
)]
pub async fn candidates(_permit: Permit<ReadHosts>) -> Json<CoordinatorCandidatesSummary> {
    Json(CoordinatorCandidatesSummary { candidates: Vec::new() })
}

fn no_candidate(id: &str) -> ApiError {
    Answer::NoSuchCandidate.saying(format!("{id} does not wait to become a coordinator"))
}

/// Show a host that waits to become a coordinator
#[utoipa::path(
    get,
    path = "/infrastructure/coordinators/candidates/{coordinator_candidate_id}",
    operation_id = "get-coordinator-candidate",
    params(("coordinator_candidate_id" = String, Path, description = "The host's runner id")),
    responses((status = 404, description = "coordinators.candidate_not_found", body = FailedReply))
)]
pub async fn get_candidate(_permit: Permit<ReadHosts>, Path(id): Path<String>) -> ApiError {
    no_candidate(&id)
}

/// Turn a host away that waits to become a coordinator
#[utoipa::path(
    delete,
    path = "/infrastructure/coordinators/candidates/{coordinator_candidate_id}",
    operation_id = "delete-coordinator-candidate",
    params(("coordinator_candidate_id" = String, Path, description = "The host's runner id")),
    responses((status = 404, description = "coordinators.candidate_not_found", body = FailedReply))
)]
pub async fn delete_candidate(_permit: Permit<ChangeHosts>, Path(id): Path<String>) -> ApiError {
    no_candidate(&id)
}

/// Make a host a coordinator that waits to become one
#[utoipa::path(
    post,
    path = "/infrastructure/coordinators/candidates/{coordinator_candidate_id}/_promote",
    operation_id = "promote-coordinator-candidate",
    params(("coordinator_candidate_id" = String, Path, description = "The host's runner id")),
    responses((status = 404, description = "coordinators.candidate_not_found", body = FailedReply))
)]
pub async fn promote_candidate(_permit: Permit<ChangeHosts>, Path(id): Path<String>) -> ApiError {
    no_candidate(&id)
}

/// List the constructors
#[utoipa::path(
    get,
    path = "/infrastructure/constructors",
    operation_id = "get-constructors",
    responses((status = 200, description = "All constructors", body = ConstructorOverview))
)]
pub async fn list_constructors(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    listed_hosts(&app, &permit, 1, |hosts| all_constructors(&coordinators(hosts))).await
}

/// Show a constructor
#[utoipa::path(
    get,
    path = "/infrastructure/constructors/{constructor_id}",
    operation_id = "get-constructor",
    params(("constructor_id" = String, Path, description = "The coordinator's runner id")),
    responses(
        (status = 200, description = "The constructor", body = ConstructorInfo),
        (status = 404, description = "constructors.constructor_not_found", body = FailedReply),
    )
)]
pub async fn get_constructor(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ConstructorInfo>, ApiError> {
    Ok(Json(constructor(&app.now(the_constructor(&app, &id)?))))
}

/// Bring the index of constructors in step
#[utoipa::path(
    post,
    path = "/infrastructure/constructors/_resync",
    operation_id = "resync-constructors",
    responses((status = 202, description = "It always is", body = ModelVersionIndexSynchronizationResults))
)]
pub async fn resync_constructors(
    _permit: Permit<ChangeHosts>,
) -> (StatusCode, Json<ModelVersionIndexSynchronizationResults>) {
    (StatusCode::ACCEPTED, Json(Default::default()))
}

/// Bring the index of one constructor in step
#[utoipa::path(
    post,
    path = "/infrastructure/constructors/{constructor_id}/_resync",
    operation_id = "resync-constructor",
    params(("constructor_id" = String, Path, description = "The coordinator's runner id")),
    responses(
        (status = 200, description = "It always is", body = EmptyResponse),
        (status = 404, description = "constructors.constructor_not_found", body = FailedReply),
    )
)]
pub async fn resync_constructor(
    _permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    the_constructor(&app, &id)?;
    Ok(Json(EmptyResponse {}))
}

/// A constructor is its coordinator, which cannot be put aside.
fn never_in_maintenance(app: &App, id: &str) -> ApiError {
    match the_constructor(app, id) {
        Err(error) => error,
        Ok(_) => Answer::ConstructorCommand.into(),
    }
}

/// Put a constructor into maintenance mode: never possible here
#[utoipa::path(
    post,
    path = "/infrastructure/constructors/{constructor_id}/maintenance-mode/_start",
    operation_id = "start-constructor-maintenance-mode",
    params(("constructor_id" = String, Path, description = "The coordinator's runner id")),
    responses(
        (status = 403, description = "constructors.command_prohibited", body = FailedReply),
        (status = 404, description = "constructors.constructor_not_found", body = FailedReply),
    )
)]
pub async fn start_maintenance(
    _permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> ApiError {
    never_in_maintenance(&app, &id)
}

/// End a constructor's maintenance mode: it never has one here
#[utoipa::path(
    post,
    path = "/infrastructure/constructors/{constructor_id}/maintenance-mode/_stop",
    operation_id = "stop-constructor-maintenance-mode",
    params(("constructor_id" = String, Path, description = "The coordinator's runner id")),
    responses(
        (status = 403, description = "constructors.command_prohibited", body = FailedReply),
        (status = 404, description = "constructors.constructor_not_found", body = FailedReply),
    )
)]
pub async fn stop_maintenance(
    _permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> ApiError {
    never_in_maintenance(&app, &id)
}
