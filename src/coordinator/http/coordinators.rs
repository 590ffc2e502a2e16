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
        coordinators::{CoordinatorSummary, CoordinatorsSummary},
    },
};

/// ECE's ports of the datastore's ensemble.
const LEADER_PORT: i32 = 12898;
const ELECTION_PORT: i32 = 13898;
const CLIENT_PORT: i32 = 12191;

/// List the coordinators
#[utoipa::path(
    get,
    path = "/infrastructure/coordinators",
    operation_id = "get-coordinators",
    responses((status = 200, description = "All coordinators", body = CoordinatorsSummary))
)]
pub async fn list(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Json<CoordinatorsSummary> {
    let view = app.registry.view();
    let coordinators =
        view.hosts().filter(|host| host.has(Role::Coordinator)).map(|host| shown(host)).collect();
    Json(CoordinatorsSummary { coordinators })
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
    let host = app.member(&id, Some(Role::Coordinator)).ok_or(ApiError::NoSuchCoordinator(id))?;
    Ok(Json(shown(&host)))
}

fn shown(host: &HostRecord) -> CoordinatorSummary {
    CoordinatorSummary {
        name: host.runner_id.to_string(),
        public_hostname: public_hostname(host),
        leader_port: LEADER_PORT,
        election_port: ELECTION_PORT,
        client_port: CLIENT_PORT,
        attributes: BTreeMap::from([("zone".to_owned(), host.facts.zone.to_string())]),
    }
}
