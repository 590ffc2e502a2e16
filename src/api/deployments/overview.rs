use axum::{Json, http::Method};
use serde_json::{Map, Value};

use crate::{
    api::{
        auth::{ChangeDeployments, Permission, Permit, ReadDeployments},
        not_served::{not_served, says_not_served},
    },
    http::{
        error::{Answer, ApiError},
        extract::{OptionalBody, Path},
    },
    wire::{
        FailedReply,
        deployments::{DeploymentsListResponse, DeploymentsSearchResponse},
    },
};

/// List the deployments
#[utoipa::path(
    get,
    path = "/deployments",
    operation_id = "list-deployments",
    responses((status = 200, description = "None", body = DeploymentsListResponse))
)]
pub async fn list(_permit: Permit<ReadDeployments>) -> Json<DeploymentsListResponse> {
    Json(DeploymentsListResponse::default())
}

/// Search the deployments
#[utoipa::path(
    post,
    path = "/deployments/_search",
    operation_id = "search-deployments",
    request_body = Object,
    responses(
        (status = 200, description = "None", body = DeploymentsSearchResponse),
        (status = 400, description = "root.invalid_body", body = FailedReply),
    )
)]
pub async fn search_all(
    _permit: Permit<ReadDeployments>,
    OptionalBody(_query): OptionalBody<Map<String, Value>>,
) -> Json<DeploymentsSearchResponse> {
    Json(DeploymentsSearchResponse::default())
}

fn not_found(id: &str) -> ApiError {
    Answer::NoSuchDeployment.saying(format!("there is no deployment {id}"))
}

/// Show a deployment
#[utoipa::path(
    get,
    path = "/deployments/{deployment_id}",
    operation_id = "get-deployment",
    params(("deployment_id" = String, Path, description = "The deployment's id")),
    responses((status = 404, description = "deployments.deployment_not_found", body = FailedReply))
)]
pub async fn get(_permit: Permit<ReadDeployments>, Path(id): Path<String>) -> ApiError {
    not_found(&id)
}

not_served! {
    /// Make a deployment: not served
    create: post "/deployments" (), "create-deployment", ChangeDeployments, "deployments";
    /// Change a deployment: not served
    update: put "/deployments/{deployment_id}" ("deployment_id"), "update-deployment",
        ChangeDeployments, "deployments";
    /// Delete a deployment: not served
    delete: delete "/deployments/{deployment_id}" ("deployment_id"), "delete-deployment",
        ChangeDeployments, "deployments";
}

/// Whatever is below a deployment: a read finds no such deployment, a change is not served.
pub async fn below(
    permit: Permit<ReadDeployments>,
    method: Method,
    Path((id, _rest)): Path<(String, String)>,
) -> ApiError {
    if matches!(method, Method::GET | Method::HEAD) {
        return not_found(&id);
    }
    match ChangeDeployments::allows(&permit.user) {
        true => says_not_served("deployments"),
        false => Answer::Forbidden.into(),
    }
}
