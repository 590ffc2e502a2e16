use axum::Json;

use crate::{
    api::{
        auth::{ChangeDeployments, Permit, ReadDeployments},
        not_served::not_served,
    },
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    wire::{FailedReply, deployments::TrafficFilterRulesets},
};

/// List the sets of traffic filters
#[utoipa::path(
    get,
    path = "/deployments/traffic-filter/rulesets",
    operation_id = "get-traffic-filter-rulesets",
    responses((status = 200, description = "None", body = TrafficFilterRulesets))
)]
pub async fn list(_permit: Permit<ReadDeployments>) -> Json<TrafficFilterRulesets> {
    Json(TrafficFilterRulesets::default())
}

/// Show a set of traffic filters
#[utoipa::path(
    get,
    path = "/deployments/traffic-filter/rulesets/{ruleset_id}",
    operation_id = "get-traffic-filter-ruleset",
    params(("ruleset_id" = String, Path, description = "The set's id")),
    responses((status = 404, description = "traffic_filter.not_found", body = FailedReply))
)]
pub async fn get(_permit: Permit<ReadDeployments>, Path(id): Path<String>) -> ApiError {
    Answer::NoSuchTrafficFilter.saying(format!("there is no traffic filter {id}"))
}

not_served! {
    /// Make a set of traffic filters: not served
    create: post "/deployments/traffic-filter/rulesets" (), "create-traffic-filter-ruleset",
        ChangeDeployments, "traffic filters";
    /// Change a set of traffic filters: not served
    update: put "/deployments/traffic-filter/rulesets/{ruleset_id}" ("ruleset_id"),
        "update-traffic-filter-ruleset", ChangeDeployments, "traffic filters";
    /// Delete a set of traffic filters: not served
    delete: delete "/deployments/traffic-filter/rulesets/{ruleset_id}" ("ruleset_id"),
        "delete-traffic-filter-ruleset", ChangeDeployments, "traffic filters";
}
