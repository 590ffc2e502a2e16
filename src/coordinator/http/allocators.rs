use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    auth::{ChangeHosts, Permit, ReadHosts},
    error::ApiError,
};
use crate::{
    coordinator::{app::App, records::HostRecord, services::removal::remove_allocator},
    model::Role,
    wire::{
        EmptyResponse, FailedReply,
        allocators::{
            AllocatorCapacity, AllocatorCapacityMemory, AllocatorCapacityStorage,
            AllocatorHealthStatus, AllocatorInfo, AllocatorOverview, AllocatorSettings,
            AllocatorZoneInfo, BuildInfo, MetadataItem,
        },
    },
};

pub(super) const REGION: &str = "ece-region";

#[derive(Debug, Deserialize, IntoParams)]
pub struct ListParameters {
    /// Not served yet: a request that has it is refused.
    q: Option<String>,
    /// At most this many allocators; all without it.
    size: Option<String>,
    /// Skip this many allocators.
    from: Option<String>,
    /// Only `allocator_id`, which is the order without it too.
    sort: Option<String>,
}

/// A page of a list.
struct Page {
    from: usize,
    size: usize,
}

impl ListParameters {
    fn page(&self) -> Result<Page, ApiError> {
        let invalid =
            |name, reason: &str| ApiError::InvalidParameter { name, reason: reason.into() };
        let number = |name, value: &Option<String>| match value.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse::<usize>()
                .map(Some)
                .map_err(|_| invalid(name, "it is not a whole number from 0 on")),
        };
        if self.q.as_ref().is_some_and(|q| !q.is_empty()) {
            return Err(invalid(
                "q",
                "this version does not search; leave it out and filter the list",
            ));
        }
        if self.sort.as_ref().is_some_and(|sort| !matches!(sort.as_str(), "" | "allocator_id")) {
            return Err(invalid("sort", "this version sorts by allocator_id only"));
        }
        Ok(Page {
            from: number("from", &self.from)?.unwrap_or(0),
            size: number("size", &self.size)?.unwrap_or(usize::MAX),
        })
    }
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
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<AllocatorOverview>, ApiError> {
    let Page { from, size } = parameters.page()?;
    let mut zones: BTreeMap<String, Vec<AllocatorInfo>> = BTreeMap::new();
    let view = app.registry.view();
    for host in view.hosts().filter(|host| host.has(Role::Allocator)).skip(from).take(size) {
        let zone = host.facts.zone.to_string();
        zones.entry(zone).or_default().push(shown(&app, host));
    }
    let zones = zones
        .into_iter()
        .map(|(zone_id, allocators)| AllocatorZoneInfo { zone_id, allocators })
        .collect();
    Ok(Json(AllocatorOverview { zones }))
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
    let host = app.member(&id, Some(Role::Allocator)).ok_or(ApiError::NoSuchAllocator(id))?;
    Ok(Json(shown(&app, &host)))
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
    let runner = id.parse().map_err(|_| ApiError::NoSuchAllocator(id.clone()))?;
    remove_allocator(&app, &permit.origin, &runner)
        .await
        .map_err(|error| ApiError::deleting_allocator(&id, error))?;
    Ok(Json(EmptyResponse {}))
}

fn shown(app: &App, host: &HostRecord) -> AllocatorInfo {
    let (capacity_mb, source) = host.capacity_mb();
    let metadata = host
        .facts
        .allocator_tags
        .0
        .iter()
        .map(|(key, value)| MetadataItem { key: key.clone(), value: value.clone() })
        .collect();
    AllocatorInfo {
        allocator_id: host.runner_id.to_string(),
        zone_id: host.facts.zone.to_string(),
        host_ip: host.facts.host_ip.to_string(),
        public_hostname: public_hostname(host),
        capacity: AllocatorCapacity {
            memory: AllocatorCapacityMemory {
                total: i32::try_from(capacity_mb).unwrap_or(i32::MAX),
                used: 0,
                source,
            },
            storage: AllocatorCapacityStorage {
                total: i64::try_from(host.facts.storage_bytes >> 20).unwrap_or(i64::MAX),
            },
            available_cpus: i32::try_from(host.facts.cpus).unwrap_or(i32::MAX),
        },
        settings: AllocatorSettings {
            capacity: host.facts.capacity_flag_mb.and_then(|flag| i32::try_from(flag).ok()),
        },
        instances: Vec::new(),
        metadata,
        status: AllocatorHealthStatus {
            connected: app.liveness.is_connected(&host.runner_id),
            healthy: app.liveness.is_healthy(&host.runner_id, Some(Role::Allocator)),
            maintenance_mode: false,
        },
        build_info: build_info(host),
        features: Vec::new(),
        external_links: Vec::new(),
        region: REGION.to_owned(),
    }
}

/// The address, as ECE shows it for a host that was given no public name.
pub(super) fn public_hostname(host: &HostRecord) -> String {
    host.facts.host_ip.to_string()
}

pub(super) fn build_info(host: &HostRecord) -> BuildInfo {
    BuildInfo { commit_hash: String::new(), version: host.facts.version.clone() }
}
