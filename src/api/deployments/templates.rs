use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadDeployments},
        not_served::not_served,
    },
    http::{
        error::{Answer, ApiError},
        extract::{Path, Query},
    },
    wire::{FailedReply, deployments::NoneYet, platform::REGION},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegionParameter {
    /// The region that they are for; there is only one.
    region: Option<String>,
}

impl RegionParameter {
    fn check(&self) -> Result<(), ApiError> {
        match self.region.as_deref() {
            None | Some("" | REGION) => Ok(()),
            Some(other) => {
                let message = format!("there is no region {other:?}: the only one is {REGION}");
                Err(Answer::NoSuchTemplateRegion.saying(message))
            }
        }
    }
}

/// List the templates of deployments
#[utoipa::path(
    get,
    path = "/deployments/templates",
    operation_id = "get-deployment-templates-v2",
    params(RegionParameter),
    responses(
        (status = 200, description = "None", body = NoneYet),
        (status = 400, description = "templates.region_not_found", body = FailedReply),
    )
)]
pub async fn list(
    _permit: Permit<ReadDeployments>,
    Query(region): Query<RegionParameter>,
) -> Result<Json<NoneYet>, ApiError> {
    region.check()?;
    Ok(Json(NoneYet::default()))
}

/// Show a template of deployments
#[utoipa::path(
    get,
    path = "/deployments/templates/{template_id}",
    operation_id = "get-deployment-template-v2",
    params(("template_id" = String, Path, description = "The template's id"), RegionParameter),
    responses(
        (status = 400, description = "templates.region_not_found", body = FailedReply),
        (status = 404, description = "templates.template_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadDeployments>,
    Path(id): Path<String>,
    Query(region): Query<RegionParameter>,
) -> Result<(), ApiError> {
    region.check()?;
    Err(Answer::NoSuchTemplate.saying(format!("there is no template {id}")))
}

/// List the templates of deployments in all regions
#[utoipa::path(
    get,
    path = "/configuration/templates/deployments/global",
    operation_id = "get-global-deployment-templates",
    responses((status = 200, description = "None", body = NoneYet))
)]
pub async fn list_global(_permit: Permit<ReadDeployments>) -> Json<NoneYet> {
    Json(NoneYet::default())
}

not_served! {
    /// Make a template: not served
    create: post "/deployments/templates" (), "create-deployment-template-v2", ChangeHosts,
        "templates of deployments";
    /// Change a template: not served
    update: put "/deployments/templates/{template_id}" ("template_id"),
        "set-deployment-template-v2", ChangeHosts, "templates of deployments";
    /// Delete a template: not served
    delete: delete "/deployments/templates/{template_id}" ("template_id"),
        "delete-deployment-template-v2", ChangeHosts, "templates of deployments";
}
