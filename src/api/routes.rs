//! Every path, on one page.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use tower::util::BoxCloneSyncService;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    comments,
    configuration::{audit, base_url, instances, ledger, repositories, tokens},
    deployments::{extensions, overview, templates, traffic_filters},
    downloads,
    infrastructure::{
        allocator_config, allocators, blessings, coordinators, proxies, proxies_health,
        proxy_groups, roles, runners,
    },
    platform,
    request_rate::{Limits, within_limits},
    stack,
    users::{accounts, changes, keys, role_assignments, sessions},
};
use crate::{
    cluster::{app::App, counters::answered},
    http::{
        error::{Answer, ApiError},
        extract::no_forgeries,
        finish, method_not_allowed,
        request_id::{Asked, name_request},
    },
    model::{CoordinatorAddress, printable::cut},
    server::Service,
    wire::{
        downloads::{DOWNLOADS_PATH, JOIN_SCRIPT_PATH},
        platform::REGION,
    },
};

const API: &str = "/api/v1";
const PLATFORM: &str = "/api/v1/platform";
const IN_REGION: &str = "/api/v1/regions/ece-region";
const STACK: &str = "/api/v1/stack";
const REGIONS: &str = "/api/v1/regions/";
const LONGEST_REGION: usize = 64;
const JSON: &str = "application/json";
const OPENAPI: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(info(
    title = "ece-agent coordinator API",
    description = "The part of the Elastic Cloud Enterprise API that this coordinator serves."
))]
struct ApiDescription;

fn platform() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::delete))
        .routes(routes!(allocators::list))
        .routes(routes!(allocators::search_all))
        .routes(routes!(allocators::resync_all))
        .routes(routes!(allocators::get, allocators::delete))
        .routes(routes!(allocators::resync))
        .routes(routes!(allocators::move_clusters))
        .routes(routes!(allocators::move_clusters_by_type))
        .routes(routes!(allocator_config::start_maintenance))
        .routes(routes!(allocator_config::stop_maintenance))
        .routes(routes!(allocator_config::get_metadata, allocator_config::set_metadata))
        .routes(routes!(
            allocator_config::set_metadata_item,
            allocator_config::delete_metadata_item
        ))
        .routes(routes!(
            allocator_config::get_settings,
            allocator_config::set_settings,
            allocator_config::update_settings
        ))
        .routes(routes!(runners::list))
        .routes(routes!(runners::search_all))
        .routes(routes!(runners::resync_all))
        .routes(routes!(runners::resync))
        .routes(routes!(runners::get, runners::delete))
        .routes(routes!(runners::set_runner_roles))
        .routes(routes!(proxies::list))
        .routes(routes!(proxies_health::health))
        .routes(routes!(proxies::get_settings, proxies::set_settings, proxies::update_settings))
        .routes(routes!(proxies::get))
        .routes(routes!(proxy_groups::create))
        .routes(routes!(proxy_groups::get, proxy_groups::update, proxy_groups::delete))
        .routes(routes!(proxy_groups::health))
        .routes(routes!(coordinators::list))
        .routes(routes!(coordinators::get))
        .routes(routes!(coordinators::demote))
        .routes(routes!(coordinators::candidates))
        .routes(routes!(coordinators::get_candidate, coordinators::delete_candidate))
        .routes(routes!(coordinators::promote_candidate))
        .routes(routes!(coordinators::list_constructors))
        .routes(routes!(coordinators::resync_constructors))
        .routes(routes!(coordinators::get_constructor))
        .routes(routes!(coordinators::resync_constructor))
        .routes(routes!(coordinators::start_maintenance))
        .routes(routes!(coordinators::stop_maintenance))
        .routes(routes!(roles::list, roles::create))
        .routes(routes!(roles::get, roles::update, roles::delete))
        .routes(routes!(blessings::set_blessings))
        .routes(routes!(blessings::set_blessing))
        .routes(routes!(base_url::get, base_url::set))
        .routes(routes!(platform::get))
        .routes(routes!(ledger::list))
        .routes(routes!(ledger::get, ledger::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(instances::get, instances::update, instances::delete))
        .routes(routes!(repositories::list))
        .routes(routes!(repositories::get, repositories::set, repositories::delete))
        .routes(routes!(templates::list_global))
}

fn stack() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(stack::list, stack::upload)).routes(routes!(
        stack::get,
        stack::update,
        stack::delete
    ))
}

fn comments_on_hosts() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(comments::list, comments::create)).routes(routes!(
        comments::get,
        comments::update,
        comments::delete
    ))
}

fn deployments() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(overview::list, overview::create))
        .routes(routes!(overview::search_all))
        .routes(routes!(overview::get, overview::update, overview::delete))
        .route("/deployments/{deployment_id}/{*rest}", any(overview::below))
        .routes(routes!(extensions::list, extensions::create))
        .routes(routes!(
            extensions::get,
            extensions::update,
            extensions::upload,
            extensions::delete
        ))
        .routes(routes!(templates::list, templates::create))
        .routes(routes!(templates::get, templates::update, templates::delete))
        .routes(routes!(traffic_filters::list, traffic_filters::create))
        .routes(routes!(traffic_filters::get, traffic_filters::update, traffic_filters::delete))
}

/// What is not about the platform: who asks, and how they say so.
fn people() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::current, changes::change_current))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::get, changes::change, accounts::delete))
        .routes(routes!(role_assignments::assign, role_assignments::unassign))
        .routes(routes!(sessions::methods))
        .routes(routes!(sessions::info))
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::logout))
        .routes(routes!(keys::list, keys::create, keys::delete_some))
        .routes(routes!(keys::list_all, keys::delete_some_of_all))
        .routes(routes!(keys::get, keys::delete))
        .routes(routes!(keys::list_of_user, keys::delete_of_user))
        .routes(routes!(keys::get_of_user, keys::delete_one_of_user))
}

/// The API's description, made from the routes themselves.
pub fn openapi() -> utoipa::openapi::OpenApi {
    everything().into_openapi()
}

/// All that is described; without the same once more below the region.
fn everything() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(ApiDescription::openapi())
        .nest(PLATFORM, platform())
        .nest(STACK, stack())
        .nest(API, people().merge(comments_on_hosts()).merge(deployments()))
}

fn below_downloads(name: &str) -> String {
    format!("{DOWNLOADS_PATH}{name}")
}

/// Port 12443: people and tools.
pub fn api_router(app: Arc<App>) -> Service {
    let in_region = OpenApiRouter::new()
        .nest("/platform", platform())
        .nest("/stack", stack())
        .merge(comments_on_hosts());
    let (in_region, _) = in_region.split_for_parts();
    let (router, document) = everything().split_for_parts();
    // As it is served: whoever asks for it costs nothing.
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let router = router
        .nest(IN_REGION, in_region)
        .route(JOIN_SCRIPT_PATH, get(downloads::join_script))
        .route(&below_downloads(""), get(downloads::info))
        .route(&below_downloads("/ece-agent"), get(downloads::binary))
        .route(&below_downloads("/ece-agent.sha256"), get(downloads::checksum_file))
        .route(&below_downloads("/elastic-cloud-enterprise.sh"), get(downloads::installer_script))
        .route(OPENAPI, get(move || async move { ([(header::CONTENT_TYPE, JSON)], document) }))
        // Before the limits, so that these count too.
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(no_forgeries))
        .layer(middleware::from_fn_with_state(
            (app.clone(), Arc::<Limits>::default()),
            within_limits,
        ))
        .layer(middleware::from_fn(measure));
    finish(router, app)
}

/// Counts what the API answers, and how long that takes.
async fn measure(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let started = Instant::now();
    let response = next.run(request).await;
    answered(method.as_str(), response.status().as_u16(), started.elapsed());
    response
}

async fn no_such_path(asked: Asked, uri: Uri) -> ApiError {
    match region_in(uri.path()) {
        Some(region) if region != REGION => {
            let region = cut(region, LONGEST_REGION);
            let message = format!("there is no region {region}: the only one is {REGION}");
            Answer::NoSuchPath.saying(message)
        }
        _ => ApiError::no_such_path(&asked),
    }
}

/// The region that a path names.
fn region_in(path: &str) -> Option<&str> {
    path.strip_prefix(REGIONS)?.split('/').next().filter(|region| !region.is_empty())
}

/// Port 12400: everything moves to 12443. 308, since after another status clients turn a POST
/// into a GET.
pub fn redirect_router(own: CoordinatorAddress, api_port: u16) -> Service {
    const CLOSE: HeaderValue = HeaderValue::from_static("close");
    let redirect = move |request: Request| async move {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .and_then(|host| host.parse::<CoordinatorAddress>().ok())
            .unwrap_or(own);
        let path = request.uri().path_and_query().map(|path| path.as_str());
        // "OPTIONS *" is about no path.
        let path = path.filter(|path| path.starts_with('/')).unwrap_or("/");
        let target = format!("{}{path}", host.with_port(api_port).base_url());
        match HeaderValue::from_str(&target) {
            Ok(target) => {
                // Nobody has anything more to ask here.
                let headers = [(header::LOCATION, target), (header::CONNECTION, CLOSE)];
                (StatusCode::PERMANENT_REDIRECT, headers).into_response()
            }
            Err(_) => {
                let asked = Asked::by(request.method(), request.uri());
                ApiError::no_such_path(&asked).hanging_up()
            }
        }
    };
    let router: Router =
        Router::new().fallback(any(redirect)).layer(middleware::from_fn(name_request));
    BoxCloneSyncService::new(router)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunnerId;

    /// Where the name of a host stands in a path, and what stands before it.
    fn place_of_a_host<'a>(path: &[&'a str]) -> Option<(usize, Vec<&'a str>)> {
        let at = path.iter().position(|part| *part == "infrastructure")? + 2;
        path.get(at).filter(|part| part.starts_with('{')).map(|_| (at, path[..at].to_vec()))
    }

    #[test]
    fn no_host_has_a_name_that_a_path_of_the_api_has_in_its_place() {
        let paths = openapi().paths.paths;
        let paths: Vec<Vec<&str>> = paths.keys().map(|path| path.split('/').collect()).collect();
        let mut fixed: Vec<&str> = Vec::new();
        for (at, above) in paths.iter().filter_map(|path| place_of_a_host(path)) {
            let beside = paths.iter().filter(|path| path.starts_with(&above));
            fixed.extend(beside.filter_map(|path| path.get(at)).filter(|it| !it.starts_with('{')));
        }
        assert!(fixed.contains(&"health") && fixed.contains(&"candidates"), "{fixed:?}");
        for name in fixed {
            assert!(name.parse::<RunnerId>().is_ok_and(|id| id.is_reserved()), "{name}");
        }
    }
}
