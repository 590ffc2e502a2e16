//! What a page says in place of what was asked for.

use std::sync::Arc;

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::{frame::Frame, pages::sign_in, text::Shown};
use crate::http::error::{Answer, ApiError, seconds};

pub type PageResult = Result<Response, PageError>;

#[derive(Debug)]
pub enum PageError {
    /// Nobody is signed in; after that the page is asked for again.
    SignIn {
        to: String,
    },
    /// Another page says it all.
    Instead(Box<Response>),
    Told(ApiError),
}

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self::Told(error.into())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: StatusCode,
    code: &'static str,
    cause_code: Option<&'static str>,
    message: Shown,
    fix: Option<&'static str>,
    wait: Option<u64>,
}

/// A page, or why there is none.
pub fn rendered(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// What went wrong, in the frame of whoever has asked.
pub fn told(error: &ApiError, frame: Frame) -> Response {
    let told = error.told();
    let waits = matches!(told.status.as_u16(), 429 | 503).then(|| seconds(told.wait));
    let page = ErrorPage {
        frame,
        status: told.status,
        code: told.code,
        cause_code: told.cause.map(|code| code.name()),
        message: Shown::long(told.message),
        fix: told.fix,
        wait: waits,
    };
    let mut response = (told.status, rendered(&page)).into_response();
    if let Some(wait) = waits {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn { to } => see_other(&sign_in::path(&to)),
            Self::Instead(page) => *page,
            Self::Told(error) if error.is(Answer::Unauthenticated) => {
                see_other(&sign_in::path("/hosts"))
            }
            // The page is made where it is known who has asked.
            Self::Told(error) => {
                let mut response = error.told().status.into_response();
                response.extensions_mut().insert(Arc::new(error));
                response
            }
        }
    }
}
