//! How often one client may ask for pages: who is over hears so at once, and nobody else feels it. And
//! the pages that say why there is no other one.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Ui,
    error::{PageError, told},
    forms::form_token,
    frame::{Frame, Section},
    session::{Theme, secret},
};
use crate::{
    cluster::operations::web_sessions::signed_in,
    http::error::{Answer, ApiError, hanging_up},
    limits::{askers::Askers, source::Source},
    server::SharedContext,
};

/// Pages a second of one user, in all their tabs.
const OF_A_USER: f64 = 1_000.0;

/// And from one address where nobody is signed in.
const OF_STRANGERS: f64 = 200.0;

/// Users, and addresses, that are remembered at a time.
const MOST: usize = 10_000;

pub struct Limits(Askers);

impl Default for Limits {
    fn default() -> Self {
        Self(Askers::new(OF_A_USER, OF_STRANGERS, MOST))
    }
}

pub async fn within_limits(
    State((ui, limits)): State<(Arc<Ui>, Arc<Limits>)>,
    Extension(connection): Extension<SharedContext>,
    request: Request,
    next: Next,
) -> Response {
    let secret = secret(request.headers());
    let session = secret.as_ref().and_then(|secret| signed_in(&ui.app, secret));
    let theme = Theme::of(request.headers());
    let user = session.as_ref().map(|session| session.user.name.as_str());
    let is_within = limits.0.allow(user, Source::of(connection.address()));
    let mut response = match is_within {
        true => next.run(request).await,
        false => PageError::from(Answer::TooOften).into_response(),
    };
    let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() else { return response };
    let frame = Frame::of_nobody(theme);
    let frame = match secret.zip(session) {
        Some((secret, session)) => frame.of_user(&session.user, Section::None, form_token(&secret)),
        None => frame,
    };
    let page = told(&error, frame);
    if is_within { page } else { hanging_up(page) }
}
