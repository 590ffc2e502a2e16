use std::{borrow::Cow, net::Ipv4Addr, time::Duration};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

pub use super::answers::Answer;
use super::{answers::Row, request_id::Asked};
use crate::{
    cluster::{
        app::MAKE_ROOM,
        operations::{Unfinished, documents::ReadError},
        passwords::PasswordError,
    },
    limits::quiet::Quiet,
    model::Code,
    store::StoreError,
    wire::{FailedReply, FailedReplyElement, HEADER_ERROR_CODES},
};

/// What a request is told instead of success.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    answer: Answer,
    message: Cow<'static, str>,
    /// The field or the parameter that is at fault.
    field: Option<String>,
    cause: Option<Code>,
    /// How long to wait before the next try, where that helps.
    wait: Duration,
}

impl Answer {
    /// The same in words that tell more.
    pub fn saying(self, message: impl Into<Cow<'static, str>>) -> ApiError {
        let (message, cause) = (message.into(), self.row().cause);
        ApiError { answer: self, message, field: None, cause, wait: Duration::ZERO }
    }
}

impl From<Answer> for ApiError {
    fn from(answer: Answer) -> Self {
        answer.saying(answer.says())
    }
}

/// What a request is told, for whoever tells it in another form.
pub struct Told<'a> {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: &'a str,
    pub cause: Option<Code>,
    pub fix: Option<&'static str>,
    pub wait: Duration,
}

/// The connection ends with this answer: who asks too often has to make another one, and what it has
/// sent already is not read.
pub fn hanging_up(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

impl ApiError {
    pub fn told(&self) -> Told<'_> {
        let Row { status, code, .. } = self.answer.row();
        let fix = match self.answer {
            Answer::DiskFull => Some(MAKE_ROOM),
            Answer::Host(code) => Some(code.fix()),
            _ => self.cause.map(Code::fix),
        };
        let (message, cause) = (&*self.message, self.cause);
        Told { status, code, message, cause, fix, wait: self.wait }
    }

    pub fn is(&self, answer: Answer) -> bool {
        self.answer == answer
    }

    /// The same with what of ours is behind it.
    pub fn because(self, cause: Code) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// The same with the field that is at fault.
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    pub fn after(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The answer with which a connection ends.
    pub fn hanging_up(self) -> Response {
        hanging_up(self.into_response())
    }

    /// A body that cannot be what it is.
    pub fn invalid_body(reason: impl AsRef<str>) -> Self {
        Answer::InvalidBody.saying(format!("the request's body is not valid: {}", reason.as_ref()))
    }

    pub fn no_such_path(asked: &Asked) -> Self {
        Answer::NoSuchPath.saying(format!("there is nothing that answers {asked}"))
    }

    pub fn invalid_parameter(name: &str, reason: impl AsRef<str>) -> Self {
        let message = format!("the parameter {name} is not valid: {}", reason.as_ref());
        Answer::InvalidParameter.saying(message).at(name)
    }

    pub fn unreadable(document: impl AsRef<str>) -> Self {
        let document = document.as_ref();
        let message =
            format!("what is stored as {document} cannot be read; a PUT of all of it replaces it");
        Answer::Unreadable.saying(message)
    }

    /// A body that cannot be read, as the operation names it; any other error stays as it is.
    pub fn naming_body(self, answer: Answer) -> Self {
        match self.answer {
            Answer::InvalidBody => Self { answer, ..self },
            _ => self,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Told { status, code, fix, .. } = self.told();
        let element = FailedReplyElement {
            code: code.to_owned(),
            message: self.message.into_owned(),
            fields: self.field.map(|field| vec![field]),
            cause_code: self.cause.map(|cause| cause.name().to_owned()),
            fix: fix.map(ToOwned::to_owned),
        };
        let mut response = (status, Json(FailedReply { errors: vec![element] })).into_response();
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(HEADER_ERROR_CODES), HeaderValue::from_static(code));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"ece\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, seconds(self.wait).into());
        }
        response
    }
}

/// Whole seconds, at least one.
pub fn seconds(wait: Duration) -> u64 {
    (wait.as_secs_f64().ceil() as u64).max(1)
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Answer::DiskFull.into(),
            StoreError::Unavailable(_) => {
                static SAID: Quiet = Quiet::new();
                if let Some(left_out) = SAID.may_tell(Ipv4Addr::UNSPECIFIED.into()) {
                    tracing::warn!(%error, left_out, "a request met an error: {error}");
                }
                Answer::StoreUnavailable.into()
            }
            StoreError::Failed(_) | StoreError::TooNew { .. } => {
                tracing::error!(%error, "a request met an error: {error}");
                Answer::Internal.into()
            }
        }
    }
}

impl From<Unfinished> for ApiError {
    fn from(error: Unfinished) -> Self {
        match error {
            Unfinished::Withdrawn => Answer::Unauthenticated.into(),
            Unfinished::Contended => {
                static SAID: Quiet = Quiet::new();
                if let Some(left_out) = SAID.may_tell(Ipv4Addr::UNSPECIFIED.into()) {
                    tracing::warn!(left_out, "a request was given up: {error}");
                }
                Answer::Contended.into()
            }
            Unfinished::OutcomeUnknown => Answer::OutcomeUnknown.into(),
            Unfinished::Store(error) => error.into(),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unreadable(document) => Self::unreadable(document),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Wrong => Answer::Unauthenticated.into(),
            PasswordError::Busy => Self::passwords_busy(),
        }
    }
}

impl ApiError {
    pub fn passwords_busy() -> Self {
        Answer::TooOften.saying("too many passwords are being checked; try again in a moment")
    }
}
