use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;

use crate::{
    api::{
        auth::{ChangeHosts, Permit, ReadHosts},
        version::{VersionParameter, VersionedReply, with_version, with_version_of},
    },
    cluster::{
        app::App,
        operations::documents::{self, DocumentError, Expect, ReadError, Versioned},
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Query},
    },
    rt::Timestamp,
    server::API_PORT,
    wire::{FailedReply, platform::ApiBaseUrlData},
};

const DOCUMENTS: &str = "api";
const NAME: &str = "base-url";
const LONGEST: usize = 1024;

fn unreadable() -> ApiError {
    Answer::BaseUrlUnreadable.into()
}

fn read(versioned: Versioned) -> Result<VersionedReply<ApiBaseUrlData>, ApiError> {
    let Versioned { document, version } = versioned;
    let value = ApiBaseUrlData::deserialize(&document.value).map_err(|_| unreadable())?;
    Ok(with_version_of(&document, version, value))
}

/// Show the URL under which people reach the API
#[utoipa::path(
    get,
    path = "/configuration/api_base_url",
    operation_id = "get-api-base-url",
    responses((status = 200, description = "What was set, else the first coordinator's", body = ApiBaseUrlData))
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<VersionedReply<ApiBaseUrlData>, ApiError> {
    let stored = documents::read(&app, DOCUMENTS, NAME).await.map_err(|error| match error {
        ReadError::Unreadable(_) => unreadable(),
        ReadError::Store(error) => error.into(),
    })?;
    if let Some(stored) = stored {
        return read(stored);
    }
    let own = app.addresses.first().ok_or(Answer::NoBaseUrl)?;
    let value = ApiBaseUrlData { value: own.with_port(API_PORT).base_url() };
    Ok(with_version(value, 0, Timestamp::EPOCH, Timestamp::EPOCH))
}

/// Set the URL under which people reach the API
#[utoipa::path(
    put,
    path = "/configuration/api_base_url",
    operation_id = "set-api-base-url",
    params(VersionParameter),
    request_body = ApiBaseUrlData,
    responses(
        (status = 200, description = "The URL", body = ApiBaseUrlData),
        (status = 400, description = "adminconsole.base_url.bad_version_format, root.invalid_body", body = FailedReply),
        (status = 409, description = "adminconsole.base_url.version_conflict", body = FailedReply),
    )
)]
pub async fn set(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<ApiBaseUrlData>,
) -> Result<VersionedReply<ApiBaseUrlData>, ApiError> {
    let url = &request.value;
    let known_scheme = url.starts_with("https://") || url.starts_with("http://");
    if !known_scheme || url.len() > LONGEST || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err(ApiError::invalid_body("value is not a URL").at("value"));
    }
    let version = version.get();
    let version = version.map_err(|error| Answer::BaseUrlVersion.saying(error.to_string()))?;
    let value = serde_json::to_value(&request).map_err(|_| Answer::Internal)?;
    let expected = (Expect::Either, version);
    let written =
        documents::replace(&app, &permit.origin, (DOCUMENTS, NAME), expected, &value).await;
    read(written.map_err(|error| match error {
        DocumentError::Unfinished(error) => error.into(),
        DocumentError::Invalid(never) => match never {},
        error @ (DocumentError::Conflict(_)
        | DocumentError::NotFound
        | DocumentError::Exists
        | DocumentError::TooMany) => Answer::BaseUrlConflict.saying(error.to_string()),
    })?)
}
