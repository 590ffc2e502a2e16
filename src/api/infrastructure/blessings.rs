//! Which hosts are blessed with a role.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};

use super::roles::{bless, find, from_document, stored, stored_version};
use crate::{
    api::{
        auth::{ChangeHosts, Permit},
        version::VersionParameter,
    },
    cluster::{
        app::App,
        operations::{blessings::Extent, documents::DocumentError},
    },
    http::{
        error::ApiError,
        extract::{Body, Path, Query},
    },
    wire::{
        FailedReply,
        roles::{Blessing, Blessings, RoleAggregate},
    },
};

/// The version that was given, if the role is of it.
async fn check_version(
    app: &App,
    id: &str,
    version: &VersionParameter,
) -> Result<Option<u64>, ApiError> {
    let current = stored(app, id).await?.map_or(0, |stored| stored.version);
    match stored_version(id, version)? {
        Some(version) if version != current => {
            Err(from_document(id, DocumentError::Conflict(current)))
        }
        version => Ok(version),
    }
}

/// Give a role to exactly these hosts
#[utoipa::path(
    put,
    path = "/infrastructure/blueprinter/roles/{blueprinter_role_id}/blessings",
    operation_id = "set-blueprinter-blessings",
    params(
        ("blueprinter_role_id" = String, Path, description = "The role's name"),
        VersionParameter,
    ),
    request_body = Blessings,
    responses(
        (status = 200, description = "The role", body = RoleAggregate),
        (status = 400, description = "runners.runner_set_roles_failed, root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 404, description = "roles.not_found, runners.runner_not_found", body = FailedReply),
        (status = 409, description = "roles.version_conflict", body = FailedReply),
    )
)]
pub async fn set_blessings(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<Blessings>,
) -> Result<Json<RoleAggregate>, ApiError> {
    let version = check_version(&app, &id, &version).await?;
    bless(&app, &permit.origin, &id, &request, Extent::All, version).await?;
    find(&app, &id).await.map(Json)
}

/// Give a role to a host, or take it
#[utoipa::path(
    put,
    path = "/infrastructure/blueprinter/roles/{blueprinter_role_id}/blessings/{runner_id}",
    operation_id = "add-blueprinter-blessing",
    params(
        ("blueprinter_role_id" = String, Path, description = "The role's name"),
        ("runner_id" = String, Path, description = "The host's runner id"),
        VersionParameter,
    ),
    request_body = Blessing,
    responses(
        (status = 200, description = "The role", body = RoleAggregate),
        (status = 400, description = "runners.runner_set_roles_failed, root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 404, description = "roles.not_found, runners.runner_not_found", body = FailedReply),
        (status = 409, description = "roles.version_conflict", body = FailedReply),
    )
)]
pub async fn set_blessing(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path((id, runner)): Path<(String, String)>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<Blessing>,
) -> Result<Json<RoleAggregate>, ApiError> {
    let version = check_version(&app, &id, &version).await?;
    let one = Blessings { runner_ids_to_blessing: BTreeMap::from([(runner, request)]) };
    bless(&app, &permit.origin, &id, &one, Extent::Named, version).await?;
    find(&app, &id).await.map(Json)
}
