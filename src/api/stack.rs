//! Versions of the Elastic Stack that deployments could run. There are none yet.

use axum::Json;

use super::{
    auth::{ChangeHosts, Permit, ReadDeployments},
    not_served::not_served,
};
use crate::{
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    wire::{FailedReply, deployments::StackVersionConfigs},
};

/// List the stack versions
#[utoipa::path(
    get,
    path = "/versions",
    operation_id = "get-version-stacks",
    responses((status = 200, description = "None", body = StackVersionConfigs))
)]
pub async fn list(_permit: Permit<ReadDeployments>) -> Json<StackVersionConfigs> {
    Json(StackVersionConfigs::default())
}

/// Show a stack version
#[utoipa::path(
    get,
    path = "/versions/{version}",
    operation_id = "get-version-stack",
    params(("version" = String, Path, description = "The version")),
    responses((status = 404, description = "stackpack.version_not_found", body = FailedReply))
)]
pub async fn get(_permit: Permit<ReadDeployments>, Path(version): Path<String>) -> ApiError {
    let message = format!("there is no stack version {version}");
    Answer::NoSuchStack.saying(message)
}

not_served! {
    /// Upload stack versions: not served
    upload: post "/versions" (), "update-stack-packs", ChangeHosts, "stack versions";
    /// Change a stack version: not served
    update: put "/versions/{version}" ("version"), "update-version-stack", ChangeHosts,
        "stack versions";
    /// Delete a stack version: not served
    delete: delete "/versions/{version}" ("version"), "delete-version-stack", ChangeHosts,
        "stack versions";
}
