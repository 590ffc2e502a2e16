//! Which hosts are blessed with a role.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};

use super::{
    roles::{KIND, find, from_document, has, stored, stored_version},
    runners::the_runner,
};
use crate::{
    api::{
        auth::{ChangeHosts, Permit},
        version::VersionParameter,
    },
    cluster::{
        app::App,
        change::Origin,
        operations::{
            documents::DocumentError,
            roles::{self, BlessError, Definition},
        },
    },
    http::{
        error::ApiError,
        extract::{Body, Path, Query},
    },
    model::RunnerId,
    wire::{
        FailedReply,
        roles::{Blessing, Blessings, RoleAggregate},
    },
};

/// The hosts that blessings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those that they name.
    Named,
    /// All: from those that they do not name the role is taken.
    All,
}

/// Gives the role to hosts, or takes it, as `blessings` says.
pub(super) async fn bless(
    app: &App,
    origin: &Origin,
    id: &str,
    blessings: &Blessings,
    extent: Extent,
    version: Option<u64>,
) -> Result<(), ApiError> {
    let definition = version.map(|version| Definition { kind: KIND.name, id, version });
    let wanted = &blessings.runner_ids_to_blessing;
    let mut changes: Vec<(RunnerId, bool)> = Vec::new();
    for (runner, blessing) in wanted {
        let host = the_runner(app, runner)?;
        changes.push((host.runner_id.clone(), blessing.value));
    }
    if extent == Extent::All {
        let hosts = app.registry.hosts();
        let others = hosts.iter().filter(|host| !wanted.contains_key(host.runner_id.as_str()));
        changes.extend(others.map(|host| (host.runner_id.clone(), false)));
    }
    for (runner, blessed) in changes {
        let Some(host) = app.member(runner.as_str(), None) else { continue };
        if has(&host, id) != blessed {
            let blessing = if blessed { roles::Blessing::Given } else { roles::Blessing::Taken };
            let outcome = roles::bless(app, origin, &runner, (id, blessing), definition).await;
            outcome.map_err(|error| match error {
                BlessError::Redefined(now) => from_document(id, DocumentError::Conflict(now)),
                BlessError::Roles(error) => error.into(),
            })?;
        }
    }
    Ok(())
}

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
