//! Roles as ECE's blueprinter has them: definitions, and the hosts that are blessed with them. A
//! host that is blessed has the role, and nothing else keeps that.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::runners::the_runner;
use crate::{
    coordinator::{
        app::App,
        change::Origin,
        http::{
            auth::{ChangeHosts, Permit, ReadHosts},
            error::ApiError,
            extract::{Body, Path, Query},
            listed::{Listed, listed_hosts},
            version::VersionParameter,
        },
        records::HostRecord,
        services::{
            documents::{self, DocumentError, Expect, Versioned},
            roles::{WantedRoles, set_roles},
        },
    },
    model::{Role, RoleSet, RunnerId},
    rt::Timestamp,
    wire::{
        EmptyResponse, FailedReply,
        roles::{
            Blessing, Blessings, BlessingsWithMeta, Metadata, RoleAggregate,
            RoleAggregateCreateData, RoleAggregates, RoleDefinition, RoleWithMeta,
        },
    },
};

const KIND: &str = "roles";

fn not_found(id: &str) -> ApiError {
    ApiError::contract(StatusCode::NOT_FOUND, "roles.not_found", format!("there is no role {id}"))
}

fn from_document(id: &str, error: DocumentError<Infallible>) -> ApiError {
    match error {
        DocumentError::NotFound => not_found(id),
        DocumentError::Exists => ApiError::contract(
            StatusCode::CONFLICT,
            "roles.already_exists",
            format!("there is a role {id}"),
        ),
        DocumentError::Conflict(version) => {
            let message = format!("the role has changed since: its version is {version}");
            ApiError::contract(StatusCode::CONFLICT, "roles.version_conflict", message)
        }
        DocumentError::Invalid(never) => match never {},
        DocumentError::Store(error) => error.into(),
    }
}

/// The four roles that this program runs are always there.
fn built_in(id: &str) -> bool {
    id.parse::<Role>().is_ok()
}

fn definition_of(id: &str) -> RoleDefinition {
    RoleDefinition { id: id.to_owned(), auto_blessed: false, containers: Vec::new() }
}

fn has(host: &HostRecord, id: &str) -> bool {
    host.roles.iter().any(|role| role.name() == id) || host.other_roles.contains(id)
}

fn aggregate<'a>(
    hosts: impl Iterator<Item = &'a Arc<HostRecord>>,
    id: &str,
    stored: Option<Versioned>,
) -> RoleAggregate {
    let meta = match &stored {
        Some(Versioned { document, version }) => Metadata {
            created_time: document.created_at.rfc3339(),
            modified_time: document.modified_at.rfc3339(),
            version: version.to_string(),
        },
        None => Metadata {
            created_time: Timestamp::EPOCH.rfc3339(),
            modified_time: Timestamp::EPOCH.rfc3339(),
            version: "0".into(),
        },
    };
    let kept = stored.and_then(|it| serde_json::from_value(it.document.value).ok());
    let blessed = hosts.filter(|host| has(host, id));
    let blessing = |host: &Arc<HostRecord>| (host.runner_id.to_string(), Blessing { value: true });
    RoleAggregate {
        id: id.to_owned(),
        role: RoleWithMeta { value: kept.unwrap_or_else(|| definition_of(id)), meta: meta.clone() },
        blessings: BlessingsWithMeta {
            value: Blessings { runner_ids_to_blessing: blessed.map(blessing).collect() },
            meta,
        },
    }
}

/// The document of a role that there is; a built-in one may have none.
async fn stored(app: &App, id: &str) -> Result<Option<Versioned>, ApiError> {
    let stored = documents::read(app, KIND, id).await?;
    if let Some(Versioned { document, .. }) = &stored {
        let unreadable = |_| ApiError::Unreadable(format!("{KIND}/{id}"));
        RoleDefinition::deserialize(&document.value).map_err(unreadable)?;
    }
    match stored.is_some() || built_in(id) {
        true => Ok(stored),
        false => Err(not_found(id)),
    }
}

/// Whether there is such a role, whether or not its document can be read.
async fn exists(app: &App, id: &str) -> Result<(), ApiError> {
    match stored(app, id).await {
        Ok(_) | Err(ApiError::Unreadable(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn find(app: &App, id: &str) -> Result<RoleAggregate, ApiError> {
    let stored = stored(app, id).await?;
    Ok(aggregate(app.registry.hosts().iter(), id, stored))
}

/// List the roles and who has them
#[utoipa::path(
    get,
    path = "/infrastructure/blueprinter/roles",
    operation_id = "list-blueprinter-roles",
    responses((status = 200, description = "All roles", body = RoleAggregates))
)]
pub async fn list(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    let mut all: BTreeMap<String, Option<Versioned>> =
        RoleSet::all().iter().map(|role| (role.name().to_owned(), None)).collect();
    for stored in documents::list(&app, KIND).await? {
        let id = stored.document.value["id"].as_str().unwrap_or_default().to_owned();
        all.insert(id, Some(stored));
    }
    let looks = all.len();
    listed_hosts(&app, &permit, looks, move |hosts| {
        let one = |(id, stored): (String, _)| {
            aggregate(hosts.iter().map(|host| &host.record), &id, stored)
        };
        RoleAggregates { values: all.into_iter().map(one).collect() }
    })
    .await
}

/// Show a role and who has it
#[utoipa::path(
    get,
    path = "/infrastructure/blueprinter/roles/{blueprinter_role_id}",
    operation_id = "get-blueprinter-role",
    params(("blueprinter_role_id" = String, Path, description = "The role's name")),
    responses(
        (status = 200, description = "The role", body = RoleAggregate),
        (status = 404, description = "roles.not_found", body = FailedReply),
    )
)]
pub async fn get(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Listed, ApiError> {
    let stored = stored(&app, &id).await?;
    listed_hosts(&app, &permit, 1, move |hosts| {
        aggregate(hosts.iter().map(|host| &host.record), &id, stored)
    })
    .await
}

/// Define a role
#[utoipa::path(
    post,
    path = "/infrastructure/blueprinter/roles",
    operation_id = "create-blueprinter-role",
    request_body = RoleAggregateCreateData,
    responses(
        (status = 201, description = "The role", body = RoleAggregate),
        (status = 409, description = "roles.already_exists", body = FailedReply),
    )
)]
pub async fn create(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Body(request): Body<RoleAggregateCreateData>,
) -> Result<(StatusCode, Json<RoleAggregate>), ApiError> {
    let id = request.role.id.clone();
    WantedRoles::from_names([id.as_str()])?;
    if built_in(&id) {
        return Err(from_document(&id, DocumentError::Exists));
    }
    let value = serde_json::to_value(&request.role).map_err(|_| ApiError::Internal)?;
    let expected = (Expect::Missing, None);
    documents::replace(&app, &permit.origin, (KIND, &id), expected, &value)
        .await
        .map_err(|error| from_document(&id, error))?;
    bless(&app, &permit.origin, &id, &request.blessings.unwrap_or_default(), false).await?;
    Ok((StatusCode::CREATED, Json(find(&app, &id).await?)))
}

/// Define a role anew
#[utoipa::path(
    put,
    path = "/infrastructure/blueprinter/roles/{blueprinter_role_id}",
    operation_id = "update-blueprinter-role",
    params(
        ("blueprinter_role_id" = String, Path, description = "The role's name"),
        VersionParameter,
    ),
    request_body = RoleDefinition,
    responses(
        (status = 200, description = "The role", body = RoleAggregate),
        (status = 404, description = "roles.not_found", body = FailedReply),
        (status = 409, description = "roles.version_conflict", body = FailedReply),
    )
)]
pub async fn update(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<RoleDefinition>,
) -> Result<Json<RoleAggregate>, ApiError> {
    exists(&app, &id).await?;
    let value = serde_json::to_value(RoleDefinition { id: id.clone(), ..request })
        .map_err(|_| ApiError::Internal)?;
    let expected = (Expect::Either, version.get()?);
    documents::replace(&app, &permit.origin, (KIND, &id), expected, &value)
        .await
        .map_err(|error| from_document(&id, error))?;
    find(&app, &id).await.map(Json)
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct DeleteParameters {
    /// The version that is to be deleted; another one is a 409.
    version: Option<String>,
    /// Also if hosts have it.
    skip_validations: Option<bool>,
}

/// Delete the definition of a role
#[utoipa::path(
    delete,
    path = "/infrastructure/blueprinter/roles/{blueprinter_role_id}",
    operation_id = "delete-blueprinter-role",
    params(
        ("blueprinter_role_id" = String, Path, description = "The role's name"),
        DeleteParameters,
    ),
    responses(
        (status = 200, description = "It is gone", body = EmptyResponse),
        (status = 400, description = "roles.in_use", body = FailedReply),
        (status = 404, description = "roles.not_found", body = FailedReply),
        (status = 409, description = "roles.version_conflict", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(given): Query<DeleteParameters>,
) -> Result<Json<EmptyResponse>, ApiError> {
    exists(&app, &id).await?;
    let in_use = app.registry.hosts().iter().any(|host| has(host, &id));
    if built_in(&id) || (in_use && given.skip_validations != Some(true)) {
        let message = format!("the role {id} is one that hosts have, or can always have");
        return Err(ApiError::contract(StatusCode::BAD_REQUEST, "roles.in_use", message));
    }
    let version = VersionParameter::new(given.version).get()?;
    documents::delete(&app, &permit.origin, (KIND, &id), version)
        .await
        .map_err(|error| from_document(&id, error))?;
    Ok(Json(EmptyResponse {}))
}

/// Gives the role to hosts, or takes it, as `blessings` says; of those that it does not name too,
/// if they are `all`.
async fn bless(
    app: &App,
    origin: &Origin,
    id: &str,
    blessings: &Blessings,
    all: bool,
) -> Result<(), ApiError> {
    let wanted = &blessings.runner_ids_to_blessing;
    let mut changes: Vec<(RunnerId, bool)> = Vec::new();
    for (runner, blessing) in wanted {
        let host = the_runner(app, runner)?;
        changes.push((host.runner_id.clone(), blessing.value));
    }
    if all {
        let hosts = app.registry.hosts();
        let others = hosts.iter().filter(|host| !wanted.contains_key(host.runner_id.as_str()));
        changes.extend(others.map(|host| (host.runner_id.clone(), false)));
    }
    for (runner, blessed) in changes {
        let Some(host) = app.member(runner.as_str(), None) else { continue };
        if has(&host, id) == blessed {
            continue;
        }
        let names = host.roles.iter().map(|role| role.name().to_owned());
        let mut names: Vec<String> =
            names.chain(host.other_roles.iter().cloned()).filter(|name| name != id).collect();
        if blessed {
            names.push(id.to_owned());
        }
        let wanted = WantedRoles::from_names(names.iter().map(String::as_str))?;
        set_roles(app, origin, &runner, wanted).await?;
    }
    Ok(())
}

async fn check_version(app: &App, id: &str, version: &VersionParameter) -> Result<(), ApiError> {
    let current = stored(app, id).await?.map_or(0, |stored| stored.version);
    match version.get()? {
        Some(version) if version != current => {
            Err(from_document(id, DocumentError::Conflict(current)))
        }
        _ => Ok(()),
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
    check_version(&app, &id, &version).await?;
    bless(&app, &permit.origin, &id, &request, true).await?;
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
    check_version(&app, &id, &version).await?;
    let one = Blessings { runner_ids_to_blessing: BTreeMap::from([(runner, request)]) };
    bless(&app, &permit.origin, &id, &one, false).await?;
    find(&app, &id).await.map(Json)
}
