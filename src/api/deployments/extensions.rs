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
    wire::{FailedReply, deployments::Extensions},
};

/// List the extensions
#[utoipa::path(
    get,
    path = "/deployments/extensions",
    operation_id = "list-extensions",
    responses((status = 200, description = "None", body = Extensions))
)]
pub async fn list(_permit: Permit<ReadDeployments>) -> Json<Extensions> {
    Json(Extensions::default())
}

/// Show an extension
#[utoipa::path(
    get,
    path = "/deployments/extensions/{extension_id}",
    operation_id = "get-extension",
    params(("extension_id" = String, Path, description = "The extension's id")),
    responses((status = 404, description = "extensions.not_found", body = FailedReply))
)]
pub async fn get(_permit: Permit<ReadDeployments>, Path(id): Path<String>) -> ApiError {
    Answer::NoSuchExtension.saying(format!("there is no extension {id}"))
}

not_served! {
    /// Make an extension: not served
    create: post "/deployments/extensions" (), "create-extension", ChangeDeployments, "extensions";
    /// Change an extension: not served
    update: post "/deployments/extensions/{extension_id}" ("extension_id"), "update-extension",
        ChangeDeployments, "extensions";
    /// Upload an extension: not served
    upload: put "/deployments/extensions/{extension_id}" ("extension_id"), "upload-extension",
        ChangeDeployments, "extensions";
    /// Delete an extension: not served
    delete: delete "/deployments/extensions/{extension_id}" ("extension_id"), "delete-extension",
        ChangeDeployments, "extensions";
}
