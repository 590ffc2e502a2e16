//! Groups of proxies with certain labels, of which so many are expected.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;

use super::{
    health::{Health, HealthParameters},
    proxies::{LOOKS, all_proxies},
};
use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        documents::Kind,
        listed::of_hosts,
        version::{VersionParameter, VersionedReply, with_version_of},
    },
    cluster::{
        app::App,
        hosts_now::HostsNow,
        operations::documents::{self, Expect, Versioned},
        shown::int32,
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path, Query},
    },
    wire::{
        EmptyResponse, FailedReply,
        proxies::{ProxiesFilteredGroup, ProxiesFilteredGroupHealth, ProxyInfo},
    },
};

const KIND: Kind = Kind {
    name: "proxies-groups",
    noun: "group",
    not_found: Answer::NoSuchGroup,
    exists: Answer::GroupExists,
    conflict: Answer::GroupConflict,
    too_many: Answer::TooManyGroups,
};

fn read(id: &str, versioned: Versioned) -> Result<VersionedReply<ProxiesFilteredGroup>, ApiError> {
    let Versioned { document, version } = versioned;
    let group = ProxiesFilteredGroup::deserialize(&document.value);
    Ok(with_version_of(&document, version, group.map_err(|_| KIND.unreadable(id))?))
}

async fn find(app: &App, id: &str) -> Result<Versioned, ApiError> {
    documents::read(app, KIND.name, id).await?.ok_or_else(|| KIND.not_found(id))
}

fn health_of(
    group: ProxiesFilteredGroup,
    proxies: &[ProxyInfo],
) -> (ProxiesFilteredGroupHealth, Health) {
    let belongs = |proxy: &&ProxyInfo| {
        let has = |key: &String, value: &String| proxy.metadata.get(key) == Some(value);
        proxy.healthy && group.filters.iter().all(|filter| has(&filter.key, &filter.value))
    };
    let observed = proxies.iter().filter(belongs).count();
    let health = Health::of(observed, group.expected_proxies_count);
    let shown = ProxiesFilteredGroupHealth {
        group,
        observed_proxies_count: int32(observed),
        status: health.name().into(),
    };
    (shown, health)
}

pub async fn all(app: &App) -> Result<Vec<ProxiesFilteredGroup>, ApiError> {
    let stored = documents::list(app, KIND.name).await?;
    // One that cannot be read does not hide the others.
    let groups = stored.iter().map(|it| ProxiesFilteredGroup::deserialize(&it.document.value));
    Ok(groups.filter_map(Result::ok).collect())
}

pub fn healths(
    groups: Vec<ProxiesFilteredGroup>,
    proxies: &[ProxyInfo],
) -> Vec<(ProxiesFilteredGroupHealth, Health)> {
    groups.into_iter().map(|group| health_of(group, proxies)).collect()
}

async fn write(
    app: &App,
    permit: &Permit<ChangeHosts>,
    id: &str,
    expected: (Expect, Option<u64>),
    group: ProxiesFilteredGroup,
) -> Result<VersionedReply<ProxiesFilteredGroup>, ApiError> {
    let group = ProxiesFilteredGroup { id: Some(id.to_owned()), ..group };
    let value = serde_json::to_value(group).map_err(|_| Answer::Internal)?;
    let written = documents::replace(app, &permit.origin, (KIND.name, id), expected, &value).await;
    read(id, written.map_err(|error| KIND.error(id, error))?)
}

/// Make a group of proxies
#[utoipa::path(
    post,
    path = "/infrastructure/proxies/filtered-groups",
    operation_id = "create-proxies-filtered-group",
    request_body = ProxiesFilteredGroup,
    responses(
        (status = 200, description = "The group", body = ProxiesFilteredGroup),
        (status = 400, description = "proxies.proxies_filtered_group_already_exists, proxies.proxies_filtered_group_empty_id", body = FailedReply),
    )
)]
pub async fn create(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Body(group): Body<ProxiesFilteredGroup>,
) -> Result<VersionedReply<ProxiesFilteredGroup>, ApiError> {
    let id = group.id.clone().unwrap_or_default();
    if id.is_empty() || id.len() > 128 {
        return Err(Answer::GroupEmptyId.into());
    }
    write(&app, &permit, &id, (Expect::Missing, None), group).await
}

/// Show a group of proxies
#[utoipa::path(
    get,
    path = "/infrastructure/proxies/filtered-groups/{proxies_filtered_group_id}",
    operation_id = "get-proxies-filtered-group",
    params(("proxies_filtered_group_id" = String, Path, description = "The group's id")),
    responses(
        (status = 200, description = "The group", body = ProxiesFilteredGroup),
        (status = 404, description = "proxies.proxies_filtered_group_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<VersionedReply<ProxiesFilteredGroup>, ApiError> {
    read(&id, find(&app, &id).await?)
}

/// Replace a group of proxies
#[utoipa::path(
    put,
    path = "/infrastructure/proxies/filtered-groups/{proxies_filtered_group_id}",
    operation_id = "update-proxies-filtered-group",
    params(
        ("proxies_filtered_group_id" = String, Path, description = "The group's id"),
        VersionParameter,
    ),
    request_body = ProxiesFilteredGroup,
    responses(
        (status = 200, description = "The group", body = ProxiesFilteredGroup),
        (status = 400, description = "proxies.proxies_filtered_group_id_conflict", body = FailedReply),
        (status = 404, description = "proxies.proxies_filtered_group_not_found", body = FailedReply),
        (status = 409, description = "proxies.proxies_filtered_group_version_conflict", body = FailedReply),
    )
)]
pub async fn update(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
    Body(group): Body<ProxiesFilteredGroup>,
) -> Result<VersionedReply<ProxiesFilteredGroup>, ApiError> {
    if group.id.as_ref().is_some_and(|given| !given.is_empty() && *given != id) {
        return Err(Answer::GroupIds.into());
    }
    write(&app, &permit, &id, (Expect::There, version.get()?), group).await
}

/// Delete a group of proxies
#[utoipa::path(
    delete,
    path = "/infrastructure/proxies/filtered-groups/{proxies_filtered_group_id}",
    operation_id = "delete-proxies-filtered-group",
    params(
        ("proxies_filtered_group_id" = String, Path, description = "The group's id"),
        VersionParameter,
    ),
    responses(
        (status = 200, description = "It is gone", body = EmptyResponse),
        (status = 404, description = "proxies.proxies_filtered_group_not_found", body = FailedReply),
        (status = 409, description = "proxies.proxies_filtered_group_version_conflict", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(version): Query<VersionParameter>,
) -> Result<Json<EmptyResponse>, ApiError> {
    documents::delete(&app, &permit.origin, (KIND.name, &id), version.get()?)
        .await
        .map_err(|error| KIND.error(&id, error))?;
    Ok(Json(EmptyResponse {}))
}

/// Say whether a group has as many proxies as are expected
#[utoipa::path(
    get,
    path = "/infrastructure/proxies/filtered-groups/{proxies_filtered_group_id}/health",
    operation_id = "get-proxies-filtered-group-health",
    params(
        ("proxies_filtered_group_id" = String, Path, description = "The group's id"),
        HealthParameters,
    ),
    responses(
        (status = 200, description = "The health, whatever it is", body = ProxiesFilteredGroupHealth),
        (status = 404, description = "proxies.proxies_filtered_group_not_found", body = FailedReply),
        (status = 417, description = "It is worse than was expected", body = ProxiesFilteredGroupHealth),
    )
)]
pub async fn health(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(given): Query<HealthParameters>,
) -> Result<(StatusCode, Json<ProxiesFilteredGroupHealth>), ApiError> {
    let (_, Json(group)) = read(&id, find(&app, &id).await?)?;
    let work = move |hosts: HostsNow<'_>| health_of(group, &all_proxies(hosts));
    let (shown, health) = of_hosts(&app, &permit, LOOKS, work).await?;
    Ok((given.status(health)?, Json(shown)))
}
