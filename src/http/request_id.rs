use std::fmt;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderValue, Method, Uri, header::HeaderName, request::Parts},
    middleware::Next,
    response::Response,
};
use uuid::Uuid;

use crate::model::printable::cut;

/// Characters of a method, and of a path, that a reply repeats.
const LONGEST_METHOD: usize = 32;
const LONGEST_PATH: usize = 256;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in replies, logs and audit.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<RequestId>().copied();
        Ok(known.unwrap_or_else(|| RequestId(Uuid::new_v4())))
    }
}

/// Gives every request its id, and the reply too.
pub async fn name_request(mut request: Request, next: Next) -> Response {
    let id = RequestId(Uuid::new_v4());
    request.extensions_mut().insert(id);
    let asked = Asked::by(request.method(), request.uri());
    request.extensions_mut().insert(asked.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id.0.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    tracing::debug!(request_id = %id.0, %asked, status = response.status().as_u16(), "answered");
    response
}

/// What a request asked for, as it may be shown.
#[derive(Debug, Clone)]
pub struct Asked {
    method: String,
    path: String,
}

impl Asked {
    pub fn by(method: &Method, uri: &Uri) -> Self {
        let method = cut(method.as_str(), LONGEST_METHOD);
        Self { method, path: cut(without_secrets(uri.path()), LONGEST_PATH) }
    }

    /// What the client has asked for, also where a router has taken a prefix off.
    pub fn of(parts: &Parts) -> Self {
        let known = parts.extensions.get::<Self>().cloned();
        known.unwrap_or_else(|| Self::by(&parts.method, &parts.uri))
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A path as a log may show it: one that holds a whole token is cut off before it.
fn without_secrets(path: &str) -> &str {
    match path.find("/enrollment-tokens/") {
        Some(at) => &path[..at + "/enrollment-tokens/".len()],
        None => path,
    }
}
