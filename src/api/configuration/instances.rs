use axum::Json;

use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadDeployments},
        not_served::not_served,
    },
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    wire::{FailedReply, deployments::NoneYet},
};

/// List the instance configurations
#[utoipa::path(
    get,
    path = "/configuration/instances",
    operation_id = "get-instance-configurations",
    responses((status = 200, description = "None", body = NoneYet))
)]
pub async fn list(_permit: Permit<ReadDeployments>) -> Json<NoneYet> {
    Json(NoneYet::default())
}

/// Show an instance configuration
#[utoipa::path(
    get,
    path = "/configuration/instances/{id}",
    operation_id = "get-instance-configuration",
    params(("id" = String, Path, description = "The configuration's id")),
    responses(
        (status = 404, description = "configuration.instance_configuration_not_found", body = FailedReply)
    )
)]
pub async fn get(_permit: Permit<ReadDeployments>, Path(id): Path<String>) -> ApiError {
    let message = format!("there is no instance configuration {id}");
    Answer::NoSuchInstanceConfiguration.saying(message)
}

not_served! {
    /// Make an instance configuration: not served
    create: post "/configuration/instances" (), "create-instance-configuration", ChangeHosts,
        "instance configurations";
    /// Change an instance configuration: not served
    update: put "/configuration/instances/{id}" ("id"), "set-instance-configuration", ChangeHosts,
        "instance configurations";
    /// Delete an instance configuration: not served
    delete: delete "/configuration/instances/{id}" ("id"), "delete-instance-configuration",
        ChangeHosts, "instance configurations";
}
