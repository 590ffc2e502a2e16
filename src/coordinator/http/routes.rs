//! Every path, on one page.

use std::{any::Any, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    allocators, context::name_request, coordinators, downloads, error::ApiError, extract::MAX_BODY,
    hosts, proxies, runners, tokens,
};
use crate::{
    coordinator::app::App,
    model::CoordinatorAddress,
    wire::{
        downloads::{DOWNLOADS_PATH, JOIN_SCRIPT_PATH},
        hosts::{ENROL_PATH, HELLO_PATH, LEAVE_PATH, SESSION_PATH},
    },
};

/// A finished router.
pub type Service = BoxCloneSyncService<Request, Response, std::convert::Infallible>;

const PLATFORM: &str = "/api/v1/platform";
const PLATFORM_IN_REGION: &str = "/api/v1/regions/ece-region/platform";
const OPENAPI: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(info(
    title = "ece-agent coordinator API",
    description = "The part of the Elastic Cloud Enterprise API that this coordinator serves."
))]
struct Document;

fn platform() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::delete))
        .routes(routes!(allocators::list))
        .routes(routes!(allocators::get, allocators::delete))
        .routes(routes!(runners::list))
        .routes(routes!(runners::get, runners::delete))
        .routes(routes!(runners::set_runner_roles))
        .routes(routes!(proxies::list))
        .routes(routes!(proxies::get))
        .routes(routes!(coordinators::list))
        .routes(routes!(coordinators::get))
}

/// The API's description, made from the routes themselves.
pub fn openapi() -> utoipa::openapi::OpenApi {
    OpenApiRouter::<Arc<App>>::with_openapi(Document::openapi())
        .nest(PLATFORM, platform())
        .into_openapi()
}

fn below_downloads(name: &str) -> String {
    format!("{DOWNLOADS_PATH}{name}")
}

/// Port 12443: people and tools.
pub fn api_router(app: Arc<App>) -> Service {
    let (in_region, _) = platform().split_for_parts();
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .nest(PLATFORM, platform())
        .split_for_parts();
    let document = Json(document);
    let router = router
        .nest(PLATFORM_IN_REGION, in_region)
        .route(JOIN_SCRIPT_PATH, get(downloads::join_script))
        .route(&below_downloads(""), get(downloads::info))
        .route(&below_downloads("/ece-agent"), get(downloads::binary))
        .route(&below_downloads("/ece-agent.sha256"), get(downloads::checksum_file))
        .route(&below_downloads("/elastic-cloud-enterprise.sh"), get(downloads::installer_script))
        .route(OPENAPI, get(move || async move { document }));
    finish(router, app)
}

/// Port 12343: hosts.
pub fn hosts_router(app: Arc<App>) -> Service {
    let router = Router::new()
        .route(ENROL_PATH, post(hosts::enrol_host))
        .route(SESSION_PATH, post(hosts::session))
        .route(LEAVE_PATH, post(hosts::leave_cluster))
        .route(HELLO_PATH, get(hosts::hello));
    finish(router, app)
}

fn finish(router: Router<Arc<App>>, app: Arc<App>) -> Service {
    let router = router
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(name_request))
        .with_state(app);
    let service = ServiceBuilder::new().map_request(with_one_leading_slash).service(router);
    BoxCloneSyncService::new(service)
}

fn after_panic(_cause: Box<dyn Any + Send>) -> Response {
    // The panic hook has logged where it happened.
    ApiError::Internal.into_response()
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

/// Port 12400: everything moves to 12443. 308, since after another status clients turn a POST
/// into a GET.
pub fn redirect_router(own: CoordinatorAddress, api_port: u16) -> Service {
    let redirect = move |request: Request| async move {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .and_then(|host| host.parse::<CoordinatorAddress>().ok())
            .unwrap_or(own);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let target = format!("{}{path}", host.with_port(api_port).base_url());
        match HeaderValue::from_str(&target) {
            Ok(target) => {
                (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, target)]).into_response()
            }
            Err(_) => ApiError::NoSuchPath.into_response(),
        }
    };
    let router: Router = Router::new().fallback(any(redirect));
    BoxCloneSyncService::new(router)
}
