use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{
        FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// No request here comes near this many bytes.
pub const MAX_BODY: usize = 64 * 1024;

const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request's body as JSON, whatever its content type says, as ECE takes it.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = read(request).await?;
        // The text of the error may quote the body, which may hold a secret: the place is enough.
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            let kind = match error.classify() {
                serde_json::error::Category::Data => "a field is missing or of a wrong type",
                _ => "it is not JSON",
            };
            let (line, column) = (error.line(), error.column());
            ApiError::InvalidBody(format!("{kind} (line {line}, column {column})"))
        })
    }
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
