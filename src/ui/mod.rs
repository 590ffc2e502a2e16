//! The pages on port 12443: the cluster for people with a browser, on the same operations as the API.
//!
//! - `pages/` has a file a page; what they look like is in `templates/` and `assets/`.
//! - `session/` knows who is signed in, `forms` what pages send, `once` what is done or shown once.
//! - `events` tells open pages what has changed.
//! - `text` makes what others say fit to be shown.

mod assets;
mod error;
mod events;
mod forms;
mod frame;
mod headers;
mod limits;
mod once;
mod pages;
mod session;
mod text;

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use tower::util::BoxCloneSyncService;

use self::{
    error::{PageError, see_other},
    events::Streams,
    headers::with_headers,
    limits::{Limits, within_limits},
    once::{Once, Texts},
    pages::{host, host_delete, host_roles, hosts, sign_in, theme, token, token_new, tokens},
};
use crate::{
    cluster::app::App,
    http::{around, method_not_allowed, request_id},
    server::Service,
};

/// What pages work with.
pub struct Ui {
    app: Arc<App>,
    once: Once,
    texts: Texts,
    streams: Streams,
}

/// The pages, and `rest` for all other paths.
pub fn ui_router(app: Arc<App>, rest: Service) -> Service {
    let ui = Arc::new(Ui {
        app,
        once: Once::default(),
        texts: Texts::default(),
        streams: Streams::default(),
    });
    let router = Router::new()
        .route("/", get(to_hosts))
        .route(sign_in::PATH, get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/theme", post(theme::choose))
        .route("/ca.pem", get(sign_in::ca))
        .route("/hosts", get(hosts::list))
        .route("/hosts/{id}", get(host::show))
        .route("/hosts/{id}/roles", get(host_roles::show).post(host_roles::change))
        .route("/hosts/{id}/delete", get(host_delete::show).post(host_delete::delete))
        .route("/tokens", get(tokens::list).post(token_new::generate))
        .route("/tokens/new", get(token_new::form))
        .route("/tokens/{id}", get(token::show))
        .route("/tokens/{id}/text", get(token_new::text).head(token_new::text_head))
        .route("/tokens/{id}/revoke", get(token::confirm).post(token::revoke))
        .route("/events", get(events::stream))
        .route("/assets/{name}", get(assets::serve))
        .method_not_allowed_fallback(not_taken)
        .layer(from_fn_with_state((ui.clone(), Arc::<Limits>::default()), within_limits))
        .layer(from_fn(with_headers));
    BoxCloneSyncService::new(around(router, ui).fallback_service(rest))
}

async fn to_hosts() -> Response {
    see_other("/hosts")
}

async fn not_taken(asked: request_id::Asked) -> PageError {
    method_not_allowed(asked).await.into()
}
