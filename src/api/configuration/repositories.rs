use axum::Json;

use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        not_served::not_served,
    },
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    wire::{FailedReply, deployments::RepositoryConfigs},
};

/// List the snapshot repositories
#[utoipa::path(
    get,
    path = "/configuration/snapshots/repositories",
    operation_id = "get-snapshot-repositories",
    responses((status = 200, description = "None", body = RepositoryConfigs))
)]
pub async fn list(_permit: Permit<ReadHosts>) -> Json<RepositoryConfigs> {
    Json(RepositoryConfigs::default())
}

/// Show a snapshot repository
#[utoipa::path(
    get,
    path = "/configuration/snapshots/repositories/{repository_name}",
    operation_id = "get-snapshot-repository",
    params(("repository_name" = String, Path, description = "The repository's name")),
    responses((status = 404, description = "root.resource_not_found", body = FailedReply))
)]
pub async fn get(_permit: Permit<ReadHosts>, Path(name): Path<String>) -> ApiError {
    let message = format!("there is no snapshot repository {name}");
    Answer::NoSuchPath.saying(message)
}

not_served! {
    /// Keep a snapshot repository: not served
    set: put "/configuration/snapshots/repositories/{repository_name}" ("repository_name"),
        "set-snapshot-repository", ChangeHosts, "snapshot repositories";
    /// Delete a snapshot repository: not served
    delete: delete "/configuration/snapshots/repositories/{repository_name}" ("repository_name"),
        "delete-snapshot-repository", ChangeHosts, "snapshot repositories";
}
