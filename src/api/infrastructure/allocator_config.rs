//! What people change on an allocator: maintenance mode, labels, settings.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};

use super::allocators::{no_such_allocator, runner_id, the_allocator};
use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        version::{VersionParameter, VersionedReply, with_version},
    },
    cluster::{
        app::App,
        member::Member,
        operations::allocators::{AllocatorError, Part, change_allocator},
        shown::{metadata, settings},
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path, Query},
    },
    model::{MIN_CAPACITY_MB, Tags},
    wire::{
        EmptyResponse, FailedReply,
        allocators::{AllocatorSettings, MetadataItem, MetadataItemValue, MetadataItems},
    },
};

impl From<AllocatorError> for ApiError {
    fn from(error: AllocatorError) -> Self {
        let message = error.to_string();
        match error {
            AllocatorError::NotFound(runner) => no_such_allocator(runner.as_str()),
            AllocatorError::Conflict(_) => Answer::AllocatorConflict.saying(message),
            AllocatorError::Unfinished(error) => error.into(),
        }
    }
}

/// A part of the configuration, with the version that counts it.
fn versioned<T>(part: Part, host: &Member, value: T) -> VersionedReply<T> {
    let config = &host.allocator;
    let created_at = host.joined.at;
    with_version(value, part.version(config), created_at, config.modified_at.unwrap_or(created_at))
}

async fn set_maintenance(
    app: &App,
    permit: &Permit<ChangeHosts>,
    id: &str,
    on: bool,
) -> Result<(StatusCode, Json<EmptyResponse>), ApiError> {
    let part = (Part::Maintenance, None);
    change_allocator(app, &permit.origin, &runner_id(id)?, part, |allocator, _, now| {
        let since = &mut allocator.maintenance_since;
        *since = on.then(|| since.unwrap_or(now));
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(EmptyResponse {})))
}

/// Place nothing new on an allocator
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/{allocator_id}/maintenance-mode/_start",
    operation_id = "start-allocator-maintenance-mode",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 202, description = "It is in maintenance mode", body = EmptyResponse),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn start_maintenance(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<EmptyResponse>), ApiError> {
    set_maintenance(&app, &permit, &id, true).await
}

/// End an allocator's maintenance mode
#[utoipa::path(
    post,
    path = "/infrastructure/allocators/{allocator_id}/maintenance-mode/_stop",
    operation_id = "stop-allocator-maintenance-mode",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 202, description = "It is in maintenance mode no more", body = EmptyResponse),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn stop_maintenance(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<EmptyResponse>), ApiError> {
    set_maintenance(&app, &permit, &id, false).await
}

/// Show an allocator's labels
#[utoipa::path(
    get,
    path = "/infrastructure/allocators/{allocator_id}/metadata",
    operation_id = "get-allocator-metadata",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 200, description = "The labels", body = Vec<MetadataItem>),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn get_metadata(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<VersionedReply<Vec<MetadataItem>>, ApiError> {
    let host = the_allocator(&app, &id)?;
    Ok(versioned(Part::Metadata, &host, metadata(&host)))
}

/// Labels that can be kept, by the rules of the installer's flags.
fn checked(
    answer: Answer,
    labels: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    if labels.iter().any(|(key, value)| key.is_empty() || value.is_empty()) {
        return Err(answer.saying("neither key nor value of a label may be empty"));
    }
    let labels = Tags(labels);
    labels.check().map_err(|error| answer.saying(error.to_string()))?;
    Ok(labels.0)
}

async fn write_metadata(
    app: &App,
    permit: &Permit<ChangeHosts>,
    id: &str,
    version: &VersionParameter,
    edit: impl Fn(&mut BTreeMap<String, String>) + Sync,
) -> Result<VersionedReply<Vec<MetadataItem>>, ApiError> {
    let part = (Part::Metadata, version.get()?);
    let host =
        change_allocator(app, &permit.origin, &runner_id(id)?, part, |allocator, host, _| {
            let mut labels = host.metadata().clone();
            edit(&mut labels);
            allocator.metadata = Some(labels);
        })
        .await?;
    Ok(versioned(Part::Metadata, &host, metadata(&host)))
}

/// Replace an allocator's labels
#[utoipa::path(
    put,
    path = "/infrastructure/allocators/{allocator_id}/metadata",
    operation_id = "set-allocator-metadata",
    params(
        ("allocator_id" = String, Path, description = "The allocator's runner id"),
        VersionParameter,
    ),
    request_body = MetadataItems,
    responses(
        (status = 200, description = "The labels", body = Vec<MetadataItem>),
        (status = 400, description = "allocators.invalid_empty_metadata_items", body = FailedReply),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
        (status = 409, description = "allocators.version_conflict", body = FailedReply),
    )
)]
pub async fn set_metadata(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<MetadataItems>,
) -> Result<VersionedReply<Vec<MetadataItem>>, ApiError> {
    let labels = request.items.into_iter().map(|item| (item.key, item.value)).collect();
    let labels = checked(Answer::AllocatorMetadata, labels)?;
    write_metadata(&app, &permit, &id, &version, |all| all.clone_from(&labels)).await
}

/// Set one label of an allocator
#[utoipa::path(
    put,
    path = "/infrastructure/allocators/{allocator_id}/metadata/{key}",
    operation_id = "set-allocator-metadata-item",
    params(
        ("allocator_id" = String, Path, description = "The allocator's runner id"),
        ("key" = String, Path, description = "The label's key"),
        VersionParameter,
    ),
    request_body = MetadataItemValue,
    responses(
        (status = 200, description = "The labels", body = Vec<MetadataItem>),
        (status = 400, description = "allocators.invalid_empty_metadata_item", body = FailedReply),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
        (status = 409, description = "allocators.version_conflict", body = FailedReply),
    )
)]
pub async fn set_metadata_item(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path((id, key)): Path<(String, String)>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<MetadataItemValue>,
) -> Result<VersionedReply<Vec<MetadataItem>>, ApiError> {
    let label = BTreeMap::from([(key, request.value)]);
    let label = checked(Answer::AllocatorLabel, label)?;
    write_metadata(&app, &permit, &id, &version, |all| all.extend(label.clone())).await
}

/// Take one label off an allocator
#[utoipa::path(
    delete,
    path = "/infrastructure/allocators/{allocator_id}/metadata/{key}",
    operation_id = "delete-allocator-metadata-item",
    params(
        ("allocator_id" = String, Path, description = "The allocator's runner id"),
        ("key" = String, Path, description = "The label's key"),
        VersionParameter,
    ),
    responses(
        (status = 200, description = "The labels", body = Vec<MetadataItem>),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
        (status = 409, description = "allocators.version_conflict", body = FailedReply),
    )
)]
pub async fn delete_metadata_item(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path((id, key)): Path<(String, String)>,
    Query(version): Query<VersionParameter>,
) -> Result<VersionedReply<Vec<MetadataItem>>, ApiError> {
    write_metadata(&app, &permit, &id, &version, |all| {
        all.remove(&key);
    })
    .await
}

/// Show an allocator's settings
#[utoipa::path(
    get,
    path = "/infrastructure/allocators/{allocator_id}/settings",
    operation_id = "get-allocator-settings",
    params(("allocator_id" = String, Path, description = "The allocator's runner id")),
    responses(
        (status = 200, description = "The settings", body = AllocatorSettings),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
    )
)]
pub async fn get_settings(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<VersionedReply<AllocatorSettings>, ApiError> {
    let host = the_allocator(&app, &id)?;
    Ok(versioned(Part::Settings, &host, settings(&host)))
}

async fn write_settings(
    app: &App,
    permit: &Permit<ChangeHosts>,
    id: &str,
    version: &VersionParameter,
    capacity: Option<Option<i32>>,
) -> Result<VersionedReply<AllocatorSettings>, ApiError> {
    let invalid = || {
        let message = format!("a capacity is in MB, and at least {MIN_CAPACITY_MB}");
        Answer::AllocatorSettings.saying(message)
    };
    let given = match capacity {
        Some(Some(mb)) => {
            let mb = u64::try_from(mb).ok().filter(|mb| *mb >= MIN_CAPACITY_MB);
            Some(Some(mb.ok_or_else(invalid)?))
        }
        Some(None) => Some(None),
        None => None,
    };
    let part = (Part::Settings, version.get()?);
    let host = change_allocator(app, &permit.origin, &runner_id(id)?, part, |allocator, _, _| {
        if let Some(given) = given {
            allocator.capacity_mb = given;
        }
    })
    .await?;
    Ok(versioned(Part::Settings, &host, settings(&host)))
}

/// Replace an allocator's settings
#[utoipa::path(
    put,
    path = "/infrastructure/allocators/{allocator_id}/settings",
    operation_id = "set-allocator-settings",
    params(
        ("allocator_id" = String, Path, description = "The allocator's runner id"),
        VersionParameter,
    ),
    request_body = AllocatorSettings,
    responses(
        (status = 200, description = "The settings", body = AllocatorSettings),
        (status = 400, description = "allocators.invalid_settings, root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
        (status = 409, description = "allocators.version_conflict", body = FailedReply),
    )
)]
pub async fn set_settings(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<AllocatorSettings>,
) -> Result<VersionedReply<AllocatorSettings>, ApiError> {
    write_settings(&app, &permit, &id, &version, Some(request.capacity)).await
}

/// Change what is given of an allocator's settings
#[utoipa::path(
    patch,
    path = "/infrastructure/allocators/{allocator_id}/settings",
    operation_id = "update-allocator-settings",
    params(
        ("allocator_id" = String, Path, description = "The allocator's runner id"),
        VersionParameter,
    ),
    request_body = AllocatorSettings,
    responses(
        (status = 200, description = "The settings", body = AllocatorSettings),
        (status = 400, description = "allocators.invalid_settings, root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 404, description = "allocators.allocator_not_found", body = FailedReply),
        (status = 409, description = "allocators.version_conflict", body = FailedReply),
    )
)]
pub async fn update_settings(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<AllocatorSettings>,
) -> Result<VersionedReply<AllocatorSettings>, ApiError> {
    write_settings(&app, &permit, &id, &version, request.capacity.map(Some)).await
}
