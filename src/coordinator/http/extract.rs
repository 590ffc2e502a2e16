use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody},
    extract::{
        FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// No request here comes near this many bytes.
pub const MAX_BODY: usize = 64 * 1024;

const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request's body as JSON.
pub struct Body<T>(pub T);

/// The same where no body at all is as good as an empty object.
pub struct OptionalBody<T>(pub T);

/// Lets changes pass only if what they carry is said to be JSON: a form that a web page makes a
/// browser send, with the credentials that it keeps, is not taken for a change.
pub async fn only_json(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let empty = request.body().is_end_stream();
    if changes && !empty && !says_json(&request) {
        return ApiError::NotJson.into_response();
    }
    next.run(request).await
}

fn says_json(request: &Request) -> bool {
    let given = request.headers().get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        parse(&read(request).await?).map(Body)
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = read(request).await?;
        match bytes.is_empty() {
            true => Ok(Self(T::default())),
            false => parse(&bytes).map(Self),
        }
    }
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    // The text of the error may quote the body, which may hold a secret: the place is enough.
    serde_json::from_slice(bytes).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or of a wrong type",
            _ => "it is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        ApiError::InvalidBody(format!("{kind} (line {line}, column {column})"))
    })
}

async fn read(request: Request) -> Result<Bytes, ApiError> {
    let reading = Bytes::from_request(request, &());
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))) => {
            Err(ApiError::BodyTooLarge)
        }
        Ok(Err(_)) => Err(ApiError::InvalidBody("it broke off".into())),
        Err(_) => Err(ApiError::InvalidBody("it did not arrive in time".into())),
    }
}
