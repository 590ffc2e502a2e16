//! The whole platform in one reply.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;

use super::{
    auth::{Permit, ReadHosts},
    infrastructure::{
        coordinators::{all_constructors, all_coordinators},
        health::Health,
        proxies::settings,
    },
    listed::{Listed, listed_hosts},
};
use crate::{
    cluster::{
        app::App,
        hosts_now::{HostNow, HostsNow},
        shown::int32,
    },
    http::error::{Answer, ApiError},
    model::Role,
    wire::platform::{
        AllocatorsSummary, AllocatorsZoneSummary, ContainerSetsSummary, PlatformInfo,
        PlatformResourcesSummary, ProxiesSummary, ProxySummary, REGION, RegionInfo, RunnersSummary,
        ZookeeperNodeInfo, ZookeeperSummary,
    },
};

/// Values of each host that are looked at.
const LOOKS: usize = 10;

fn allocators(hosts: &[HostNow<'_>]) -> AllocatorsSummary {
    let mut zones: BTreeMap<String, AllocatorsZoneSummary> = BTreeMap::new();
    let all = hosts.iter().filter(|host| host.member.has(Role::Allocator));
    for (host, state) in all.map(|it| (&it.member, it.state())) {
        let zone_id = host.facts.zone.to_string();
        let zone = zones
            .entry(zone_id.clone())
            .or_insert_with(|| AllocatorsZoneSummary { zone_id, ..Default::default() });
        let healthy = state.is_healthy(Some(Role::Allocator));
        let capacity = int32(host.capacity_mb().0);
        zone.total_allocators += 1;
        zone.healthy_allocators += i32::from(healthy);
        zone.in_maintenance_allocators += i32::from(host.allocator.maintenance_since.is_some());
        if state.connected {
            zone.connected_allocators += 1;
            zone.connected_capacity = zone.connected_capacity.saturating_add(capacity);
            zone.max_available_capacity = zone.max_available_capacity.max(capacity);
        } else {
            zone.disconnected_allocators += 1;
        }
    }
    let zone_summaries: Vec<AllocatorsZoneSummary> = zones.into_values().collect();
    let healthy = zone_summaries.iter().all(|it| it.healthy_allocators == it.total_allocators);
    AllocatorsSummary { healthy, zone_summaries }
}

fn runners(hosts: &[HostNow<'_>]) -> RunnersSummary {
    let mut summary = RunnersSummary {
        healthy: true,
        total_runners: 0,
        healthy_runners: 0,
        connected_runners: 0,
        connected_capacity: 0,
        max_available_capacity: 0,
        containers_count: 0,
    };
    for (host, state) in hosts.iter().map(|it| (&it.member, it.state())) {
        let healthy = state.is_healthy(None);
        summary.total_runners += 1;
        summary.healthy_runners += i32::from(healthy);
        summary.healthy &= healthy;
        if state.connected {
            let memory = int32(host.facts.memory_bytes >> 20);
            summary.connected_runners += 1;
            summary.connected_capacity = summary.connected_capacity.saturating_add(memory);
            summary.max_available_capacity = summary.max_available_capacity.max(memory);
        }
    }
    summary
}

/// Show the platform as a whole
#[utoipa::path(
    get,
    path = "",
    operation_id = "get-platform",
    responses((status = 200, description = "The platform", body = PlatformInfo))
)]
pub async fn get(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    let expected = match settings(&app, false).await {
        // How many there should be cannot be read: that is not well, and hides nothing else.
        Err(error) if error.is(Answer::Unreadable) => None,
        settings => Some(settings?.expected_proxies_count),
    };
    let make = move |hosts: HostsNow<'_>| platform(&hosts.all().collect::<Vec<_>>(), expected);
    listed_hosts(&app, &permit, LOOKS, make).await
}

/// All sums are of the same states.
fn platform(hosts: &[HostNow<'_>], expected: Option<i32>) -> PlatformInfo {
    let summary = |proxy: &HostNow<'_>| ProxySummary {
        proxy_id: proxy.member.runner_id.to_string(),
        healthy: proxy.state().is_healthy(Some(Role::Proxy)),
    };
    let proxies = hosts.iter().filter(|host| host.member.has(Role::Proxy)).map(summary);
    let proxies: Vec<ProxySummary> = proxies.collect();
    let healthy_proxies = proxies.iter().filter(|proxy| proxy.healthy).count();
    let coordinators = all_coordinators(hosts);
    let node = |id: &str| ZookeeperNodeInfo { id: id.to_owned(), state: "connected".into() };
    let region = RegionInfo {
        region_id: REGION.to_owned(),
        zookeeper_states: ZookeeperSummary {
            states: coordinators.coordinators.iter().map(|it| node(&it.name)).collect(),
        },
        allocators: allocators(hosts),
        runners: runners(hosts),
        proxies: ProxiesSummary {
            healthy: expected
                .is_some_and(|expected| Health::of(healthy_proxies, expected) == Health::Green),
            expected_proxies_count: expected.unwrap_or_default(),
            proxies_count: int32(proxies.len() as u64),
            proxies,
        },
        container_sets_status: ContainerSetsSummary {
            healthy: true,
            healthy_container_sets_count: 0,
            unhealthy_container_sets_count: 0,
            unhealthy_container_sets: Vec::new(),
        },
        constructors: all_constructors(hosts),
        coordinators,
        resources: PlatformResourcesSummary {
            healthy: true,
            available_count: 0,
            used_count: 0,
            missing_count: 0,
            minimum_available_count: 0,
            account_count: 0,
        },
    };
    PlatformInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        services: Vec::new(),
        phone_home_enabled: false,
        eula_accepted: true,
        regions: vec![region],
        unreachable_regions: Vec::new(),
    }
}
