//! What all ports that speak HTTP share: what a request may be, and what it is told instead of
//! success.

mod answers;
pub mod error;
pub mod extract;
pub mod hosts_and_tokens;
pub mod request_id;

use std::{any::Any, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::Uri,
    middleware,
    response::{IntoResponse, Response},
};
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use tower_http::catch_panic::CatchPanicLayer;

use self::{
    error::{Answer, ApiError},
    extract::MAX_BODY,
    request_id::{Asked, name_request},
};
use crate::{cluster::app::App, server::Service};

/// A router with what stands around each.
pub fn finish(router: Router<Arc<App>>, app: Arc<App>) -> Service {
    let router = around(router, app);
    let service = ServiceBuilder::new().map_request(with_one_leading_slash).service(router);
    BoxCloneSyncService::new(service)
}

/// The same for a router that is put together with others.
pub fn around<S: Clone + Send + Sync + 'static>(router: Router<S>, state: S) -> Router {
    router
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(name_request))
        .with_state(state)
}

pub async fn no_such_path(asked: Asked) -> ApiError {
    ApiError::no_such_path(&asked)
}

pub async fn method_not_allowed(asked: Asked) -> ApiError {
    Answer::MethodNotAllowed.saying(format!("this path does not take that method: {asked}"))
}

fn after_panic(_cause: Box<dyn Any + Send>) -> Response {
    // The panic hook has logged where it happened.
    ApiError::from(Answer::Internal).into_response()
}

/// A base URL with a trailing slash makes clients ask for `//api/…`.
fn with_one_leading_slash(mut request: Request) -> Request {
    let text = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if text.starts_with("//") {
        let trimmed = format!("/{}", text.trim_start_matches('/'));
        if let Ok(uri) = trimmed.parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}
