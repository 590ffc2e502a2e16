//! Port 12343: hosts enrol, and keep one long session each.

mod desired;
mod error;
mod knocks;
mod requests;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};

use self::knocks::{Knocks, within_knocks};
use crate::{
    cluster::app::App,
    http::{finish, method_not_allowed, no_such_path},
    server::Service,
    wire::hosts::{ENROL_PATH, HELLO_PATH, LEAVE_PATH, SESSION_PATH},
};

pub fn hosts_router(app: Arc<App>) -> Service {
    let router = Router::new()
        .route(ENROL_PATH, post(requests::enrol_host))
        .route(SESSION_PATH, post(requests::session))
        .route(LEAVE_PATH, post(requests::leave_cluster))
        .route(HELLO_PATH, get(requests::hello))
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(
            (app.clone(), Arc::<Knocks>::default()),
            within_knocks,
        ));
    finish(router, app)
}
