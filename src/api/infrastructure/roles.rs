//! Roles as ECE's blueprinter has them: definitions, and the hosts that are blessed with them. A
//! host that is blessed has the role, and nothing else keeps that.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::runners::runner_id;
use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        documents::Kind,
        listed::{Listed, listed_hosts},
        version::VersionParameter,
    },
    cluster::{
        app::App,
        change::Origin,
        hosts_now::HostsNow,
        member::Member,
        operations::{
            blessings::{self, Extent, bless_hosts},
            documents::{self, DocumentError, Expect, Versioned},
            roles::{BlessError, Definition, WantedRoles},
        },
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path, Query},
    },
    model::{Role, RoleSet},
    rt::Timestamp,
    wire::{
        EmptyResponse, FailedReply,
        roles::{
            Blessing, Blessings, BlessingsWithMeta, Metadata, RoleAggregate,
            RoleAggregateCreateData, RoleAggregates, RoleDefinition, RoleWithMeta,
        },
    },
};

pub(super) const KIND: Kind = Kind {
    name: "roles",
    noun: "role",
    not_found: Answer::NoSuchRole,
    exists: Answer::RoleExists,
    conflict: Answer::RoleConflict,
    too_many: Answer::TooManyRoles,
};

/// What to say of a role; its version is told as it is shown.
pub(super) fn from_document(id: &str, error: DocumentError<Infallible>) -> ApiError {
    match error {
        DocumentError::Conflict(version) => KIND.conflict(shown_version(id, version)),
        other => KIND.error(id, other),
    }
}

/// The four roles that this program runs are always there.
fn built_in(id: &str) -> bool {
    id.parse::<Role>().is_ok()
}

fn definition_of(id: &str) -> RoleDefinition {
    RoleDefinition { id: id.to_owned(), auto_blessed: false, containers: Vec::new() }
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
    let blessing = |wanted: &Blessing| match wanted.value {
        true => blessings::Blessing::Given,
        false => blessings::Blessing::Taken,
    };
    let named = blessings.runner_ids_to_blessing.iter();
    let named = named.map(|(runner, wanted)| Ok((runner_id(runner)?, blessing(wanted))));
    let named: Vec<_> = named.collect::<Result<_, ApiError>>()?;
    let blessed = bless_hosts(app, origin, id, &named, extent, definition).await;
    blessed.map_err(|error| match error {
        BlessError::Redefined(now) => from_document(id, DocumentError::Conflict(now)),
        BlessError::Roles(error) => error.into(),
    })
}

/// Built-in roles were there before anybody wrote them: that is their first version.
fn shown_version(id: &str, stored: u64) -> u64 {
    stored + u64::from(built_in(id))
}

/// The version of the document, for one that was shown.
pub(super) fn stored_version(id: &str, given: &VersionParameter) -> Result<Option<u64>, ApiError> {
    let stored = |shown: u64| shown.checked_sub(u64::from(built_in(id))).unwrap_or(u64::MAX);
    Ok(given.get()?.map(stored))
}

/// A role as it is shown, but the hosts that have it.
struct Described {
    id: String,
    definition: RoleDefinition,
    meta: Metadata,
}

impl Described {
    /// A role of which nothing is stored is as old as the cluster.
    fn new(id: &str, stored: Option<Versioned>, cluster_created_at: Timestamp) -> Self {
        let (created, modified, version) = match &stored {
            Some(Versioned { document, version }) => {
                let created = if built_in(id) { cluster_created_at } else { document.created_at };
                (created, document.modified_at, *version)
            }
            None => (cluster_created_at, cluster_created_at, 0),
        };
        let kept = stored.and_then(|it| serde_json::from_value(it.document.value).ok());
        let meta = Metadata {
            created_time: created.rfc3339(),
            modified_time: modified.rfc3339(),
            version: shown_version(id, version).to_string(),
        };
        Self { id: id.to_owned(), definition: kept.unwrap_or_else(|| definition_of(id)), meta }
    }

    fn with(self, hosts: impl Iterator<Item = Arc<Member>>) -> RoleAggregate {
        let Self { id, definition, meta } = self;
        let blessing = |host: Arc<Member>| (host.runner_id.to_string(), Blessing { value: true });
        let blessings = (!definition.auto_blessed).then(|| BlessingsWithMeta {
            value: Blessings {
                runner_ids_to_blessing: hosts
                    .filter(|host| host.has_named(&id))
                    .map(blessing)
                    .collect(),
            },
            meta: meta.clone(),
        });
        RoleAggregate { id, role: RoleWithMeta { value: definition, meta }, blessings }
    }
}

/// The document of a role that there is; a built-in one may have none.
pub(super) async fn stored(app: &App, id: &str) -> Result<Option<Versioned>, ApiError> {
    let stored = documents::read(app, KIND.name, id).await?;
    if let Some(Versioned { document, .. }) = &stored {
        RoleDefinition::deserialize(&document.value).map_err(|_| KIND.unreadable(id))?;
    }
    match stored.is_some() || built_in(id) {
        true => Ok(stored),
        false => Err(KIND.not_found(id)),
    }
}

/// Whether there is such a role, whether or not its document can be read.
async fn exists(app: &App, id: &str) -> Result<(), ApiError> {
    match stored(app, id).await {
        Err(error) if !error.is(Answer::Unreadable) => Err(error),
        _ => Ok(()),
    }
}

pub(super) async fn find(app: &App, id: &str) -> Result<RoleAggregate, ApiError> {
    let role = Described::new(id, stored(app, id).await?, app.cluster.created_at);
    Ok(role.with(app.registry.hosts().into_iter()))
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
    for stored in documents::list(&app, KIND.name).await? {
        let id = stored.document.value["id"].as_str().unwrap_or_default().to_owned();
        all.insert(id, Some(stored));
    }
    let (looks, created_at) = (all.len(), app.cluster.created_at);
    listed_hosts(&app, &permit, looks, move |hosts| {
        let members: Vec<Arc<Member>> = hosts.all().map(|host| host.member).collect();
        let one = |(id, stored): (String, _)| {
            Described::new(&id, stored, created_at).with(members.iter().cloned())
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
    let role = Described::new(&id, stored(&app, &id).await?, app.cluster.created_at);
    let make = move |hosts: HostsNow<'_>| role.with(hosts.all().map(|host| host.member));
    listed_hosts(&app, &permit, 1, make).await
}

/// Define a role
#[utoipa::path(
    post,
    path = "/infrastructure/blueprinter/roles",
    operation_id = "create-blueprinter-role",
    request_body = RoleAggregateCreateData,
    responses(
        (status = 201, description = "The role", body = RoleAggregate),
        (status = 400, description = "roles.too_many", body = FailedReply),
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
    let value = serde_json::to_value(&request.role).map_err(|_| Answer::Internal)?;
    let expected = (Expect::Missing, None);
    documents::replace(&app, &permit.origin, (KIND.name, &id), expected, &value)
        .await
        .map_err(|error| from_document(&id, error))?;
    bless(&app, &permit.origin, &id, &request.blessings.unwrap_or_default(), Extent::Named, None)
        .await?;
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
        (status = 400, description = "root.invalid_body, root.invalid_parameter", body = FailedReply),
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
        .map_err(|_| Answer::Internal)?;
    let expected = (Expect::Either, stored_version(&id, &version)?);
    documents::replace(&app, &permit.origin, (KIND.name, &id), expected, &value)
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
    let in_use = app.registry.hosts().iter().any(|host| host.has_named(&id));
    if built_in(&id) || (in_use && given.skip_validations != Some(true)) {
        let message = format!("the role {id} is one that hosts have, or can always have");
        return Err(Answer::RoleInUse.saying(message));
    }
    let version = stored_version(&id, &VersionParameter::new(given.version))?;
    documents::delete(&app, &permit.origin, (KIND.name, &id), version)
        .await
        .map_err(|error| from_document(&id, error))?;
    Ok(Json(EmptyResponse {}))
}
