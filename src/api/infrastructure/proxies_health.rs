use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    health::{Health, HealthParameters},
    proxies::{LOOKS, all_proxies, settings},
    proxy_groups,
};
use crate::{
    api::{
        auth::{Permit, ReadHosts},
        listed::of_hosts,
    },
    cluster::{app::App, shown::int32},
    http::{error::ApiError, extract::Query},
    wire::proxies::ProxiesHealth,
};

/// Say whether there are as many proxies as are expected
#[utoipa::path(
    get,
    path = "/infrastructure/proxies/health",
    operation_id = "get-proxies-health",
    params(HealthParameters),
    responses(
        (status = 200, description = "The health, whatever it is", body = ProxiesHealth),
        (status = 417, description = "It is worse than was expected", body = ProxiesHealth),
    )
)]
pub async fn health(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Query(given): Query<HealthParameters>,
) -> Result<(StatusCode, Json<ProxiesHealth>), ApiError> {
    let expected = settings(&app, false).await?.expected_proxies_count;
    let groups = proxy_groups::all(&app).await?;
    let looks = LOOKS + groups.len();
    let (observed, groups) = of_hosts(&app, &permit, looks, move |hosts| {
        let proxies = all_proxies(hosts);
        let healthy = proxies.iter().filter(|proxy| proxy.healthy).count();
        (healthy, proxy_groups::healths(groups, &proxies))
    })
    .await?;
    let own = Health::of(observed, expected);
    let worst = groups.iter().map(|(_, health)| *health).min().map_or(own, |group| group.min(own));
    let reply = ProxiesHealth {
        observed_proxies_count: int32(observed),
        expected_proxies_count: expected,
        allocations: Vec::new(),
        filtered_groups: groups.into_iter().map(|(shown, _)| shown).collect(),
        status: worst.name().into(),
    };
    Ok((given.status(worst)?, Json(reply)))
}
