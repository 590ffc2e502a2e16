//! Resources with a version: a change can name the one that it is based on.

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{cluster::records::Document, http::error::ApiError, rt::Timestamp};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionParameter {
    /// The version that the change is based on; another one is a 409.
    version: Option<String>,
}

impl VersionParameter {
    pub fn new(version: Option<String>) -> Self {
        Self { version }
    }

    pub fn get(&self) -> Result<Option<u64>, ApiError> {
        match self.version.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                ApiError::invalid_parameter("version", "it is not a version that was shown")
            }),
        }
    }
}

/// A reply with its version in the headers that ECE's tools read.
pub type VersionedReply<T> = (HeaderMap, Json<T>);

pub fn with_version<T>(
    value: T,
    version: u64,
    created_at: Timestamp,
    modified_at: Timestamp,
) -> VersionedReply<T> {
    let mut headers = HeaderMap::new();
    for (name, text) in [
        ("x-cloud-resource-version", version.to_string()),
        ("x-cloud-resource-created", created_at.rfc3339()),
        ("x-cloud-resource-last-modified", modified_at.rfc3339()),
    ] {
        if let Ok(text) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), text);
        }
    }
    (headers, Json(value))
}

/// A reply with what was read from a document.
pub fn with_version_of<T>(document: &Document, version: u64, value: T) -> VersionedReply<T> {
    with_version(value, version, document.created_at, document.modified_at)
}
