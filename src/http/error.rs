use std::time::Duration;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::request_id::Asked;
use crate::{
    cluster::{
        operations::{
            documents::ReadError,
            removal::RemoveError,
            roles::SetRolesError,
            tokens::{CreateTokenError, InvalidTokenRequest, RevokeTokenError},
        },
        passwords::PasswordError,
    },
    model::Code,
    store::StoreError,
    wire::{FailedReply, FailedReplyElement, HEADER_ERROR_CODES, platform::REGION},
};

/// Everything that a request to the API can be told instead of success.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("authentication is required, and these credentials are not accepted")]
    Unauthenticated,
    #[error("this user may not do that")]
    Forbidden,
    #[error("too many passwords are being checked; try again in a moment")]
    Busy,
    #[error("too many lists are being made; try again in a moment")]
    TooManyLists,
    #[error("this client asks too often; try again in a second")]
    TooOften,
    #[error("this user has changed their account too often; try again in {} s", seconds(*.0))]
    TooManyChanges(Duration),
    #[error("there is nothing that answers {0}")]
    NoSuchPath(Asked),
    #[error("there is no region {0}: the only one is {REGION}")]
    NoSuchRegion(String),
    #[error("this path does not take that method: {0}")]
    MethodNotAllowed(Asked),
    #[error("the request's body is not valid: {reason}")]
    InvalidBody { reason: String, field: Option<String> },
    #[error("the request's body is too large")]
    BodyTooLarge,
    #[error("the parameter {name} is not valid: {reason}")]
    InvalidParameter { name: &'static str, reason: String },
    #[error("the request for a token is not valid: {message}")]
    InvalidTokenRequest { message: String, field: Option<String> },
    #[error("the cluster has no key to sign tokens with")]
    NoSigningKey,
    #[error("there is no such token")]
    NoSuchToken,
    #[error("there is no allocator {0}")]
    NoSuchAllocator(String),
    #[error("the allocator {0} is connected; stop its daemon first")]
    AllocatorConnected(String),
    #[error("there is no runner {0}")]
    NoSuchRunner(String),
    #[error("{0}")]
    RolesNotSet(String, Code),
    #[error("{0}")]
    RunnerNotDeleted(String, Option<Code>),
    #[error("there is no proxy {0}")]
    NoSuchProxy(String),
    #[error("there is no coordinator {0}")]
    NoSuchCoordinator(String),
    #[error("the session is over, or there never was one")]
    NoSession,
    #[error("there is no user {0}")]
    NoSuchUser(String),
    #[error("there is no user {0}")]
    NoSuchUserOfKeys(String),
    #[error("{message}")]
    UserNotChanged { code: &'static str, message: String },
    #[error("{0}")]
    InvalidApiKey(String),
    #[error("there is no such key")]
    NoSuchApiKey,
    #[error("the body of a change is application/json")]
    NotJson,
    #[error("this version does not serve {0}")]
    NotServed(&'static str),
    #[error("{message}")]
    Contract { status: StatusCode, code: &'static str, message: String },
    #[error("what is stored as {0} cannot be read; a PUT of all of it replaces it")]
    Unreadable(String),
    #[error("the disk that holds the datastore is full")]
    DiskFull,
    #[error("the coordinator met an error of its own; its log has the reason under the request id")]
    Internal,
}

/// Whole seconds, at least one.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs_f64().ceil() as u64).max(1)
}

struct Row {
    status: StatusCode,
    code: &'static str,
    cause: Option<Code>,
}

impl ApiError {
    /// The one table of statuses and codes.
    fn row(&self) -> Row {
        let row = |status, code| Row { status, code, cause: None };
        let because = |status, code, cause| Row { status, code, cause };
        match self {
            Self::Unauthenticated => row(StatusCode::UNAUTHORIZED, "root.unauthenticated"),
            Self::Forbidden => row(StatusCode::FORBIDDEN, "root.unauthorized.rbac"),
            Self::Busy => row(StatusCode::TOO_MANY_REQUESTS, "root.too_many_requests"),
            Self::TooManyLists => row(StatusCode::TOO_MANY_REQUESTS, "root.too_many_requests"),
            Self::TooManyChanges(_) => row(StatusCode::TOO_MANY_REQUESTS, "root.too_many_requests"),
            Self::TooOften => row(StatusCode::TOO_MANY_REQUESTS, "root.too_many_requests"),
            Self::NoSuchPath(_) | Self::NoSuchRegion(_) => {
                row(StatusCode::NOT_FOUND, "root.resource_not_found")
            }
            Self::MethodNotAllowed(_) => {
                row(StatusCode::METHOD_NOT_ALLOWED, "root.method_not_allowed")
            }
            Self::InvalidBody { .. } => row(StatusCode::BAD_REQUEST, "root.invalid_body"),
            Self::BodyTooLarge => row(StatusCode::PAYLOAD_TOO_LARGE, "root.body_too_large"),
            Self::InvalidParameter { .. } => row(StatusCode::BAD_REQUEST, "root.invalid_parameter"),
            Self::InvalidTokenRequest { .. } => {
                row(StatusCode::BAD_REQUEST, "enrollment_tokens.invalid_token_request")
            }
            Self::NoSigningKey => {
                row(StatusCode::FORBIDDEN, "enrollment_tokens.signing_key_not_found")
            }
            Self::NoSuchToken => row(StatusCode::NOT_FOUND, "enrollment_tokens.invalid_token_id"),
            Self::NoSuchAllocator(_) => {
                row(StatusCode::NOT_FOUND, "allocators.allocator_not_found")
            }
            Self::AllocatorConnected(_) => {
                row(StatusCode::BAD_REQUEST, "allocators.delete_connected_allocator_attempt")
            }
            Self::NoSuchRunner(_) => row(StatusCode::NOT_FOUND, "runners.runner_not_found"),
            Self::RolesNotSet(_, cause) => {
                because(StatusCode::BAD_REQUEST, "runners.runner_set_roles_failed", Some(*cause))
            }
            Self::RunnerNotDeleted(_, cause) => {
                because(StatusCode::BAD_REQUEST, "runners.runner_deletion_failed", *cause)
            }
            Self::NoSuchProxy(_) => row(StatusCode::NOT_FOUND, "proxies.proxy_not_found"),
            Self::NoSuchCoordinator(_) => {
                row(StatusCode::NOT_FOUND, "coordinators.coordinator_not_found")
            }
            Self::NoSession => row(StatusCode::UNAUTHORIZED, "root.unauthorized"),
            Self::NoSuchUser(_) => row(StatusCode::NOT_FOUND, "user.not_found"),
            Self::NoSuchUserOfKeys(_) => row(StatusCode::NOT_FOUND, "api_keys.user_not_found"),
            Self::UserNotChanged { code, .. } => row(StatusCode::BAD_REQUEST, code),
            Self::InvalidApiKey(_) => row(StatusCode::BAD_REQUEST, "api_keys.invalid_input"),
            Self::NoSuchApiKey => row(StatusCode::NOT_FOUND, "api_keys.key_not_found"),
            Self::NotJson => row(StatusCode::UNSUPPORTED_MEDIA_TYPE, "root.unsupported_media_type"),
            Self::NotServed(_) => row(StatusCode::NOT_IMPLEMENTED, "root.not_implemented"),
            Self::Contract { status, code, .. } => row(*status, code),
            Self::Unreadable(_) => because(
                StatusCode::INTERNAL_SERVER_ERROR,
                "root.unreadable_document",
                Some(Code::StoreUnreadableDocument),
            ),
            Self::DiskFull => because(
                StatusCode::INSUFFICIENT_STORAGE,
                "root.datastore_full",
                Some(Code::StoreFailed),
            ),
            Self::Internal => row(StatusCode::INTERNAL_SERVER_ERROR, "root.internal_error"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Row { status, code, cause } = self.row();
        let fields = match &self {
            Self::InvalidTokenRequest { field: Some(field), .. }
            | Self::InvalidBody { field: Some(field), .. } => Some(vec![field.clone()]),
            Self::InvalidParameter { name, .. } => Some(vec![name.to_string()]),
            _ => None,
        };
        let element = FailedReplyElement {
            code: code.to_owned(),
            message: self.to_string(),
            fields,
            cause_code: cause.map(|cause| cause.name().to_owned()),
            fix: cause.map(|cause| cause.fix().to_owned()),
        };
        let mut response = failed(status, element);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"ece\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = match self {
                Self::TooManyChanges(wait) => wait,
                _ => Duration::ZERO,
            };
            response.headers_mut().insert(header::RETRY_AFTER, seconds(wait).into());
        }
        response
    }
}

/// A reply with one error in its body and its code in the header.
pub fn failed(status: StatusCode, element: FailedReplyElement) -> Response {
    let code = HeaderValue::from_str(&element.code).ok();
    let mut response = (status, Json(FailedReply { errors: vec![element] })).into_response();
    if let Some(code) = code {
        response.headers_mut().insert(HeaderName::from_static(HEADER_ERROR_CODES), code);
    }
    response
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            StoreError::Withdrawn => Self::Unauthenticated,
            StoreError::Failed(_) | StoreError::TooNew { .. } => {
                tracing::error!(%error, "a request met an error");
                Self::Internal
            }
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unreadable(document) => Self::Unreadable(document),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Wrong => Self::Unauthenticated,
            PasswordError::Busy => Self::Busy,
        }
    }
}

impl From<InvalidTokenRequest> for ApiError {
    fn from(error: InvalidTokenRequest) -> Self {
        Self::InvalidTokenRequest { message: error.message, field: Some(error.field.into()) }
    }
}

impl From<CreateTokenError> for ApiError {
    fn from(error: CreateTokenError) -> Self {
        match error {
            CreateTokenError::NoSigningKey => Self::NoSigningKey,
            CreateTokenError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeTokenError> for ApiError {
    fn from(error: RevokeTokenError) -> Self {
        match error {
            RevokeTokenError::NotFound => Self::NoSuchToken,
            RevokeTokenError::Store(error) => error.into(),
        }
    }
}

impl From<SetRolesError> for ApiError {
    fn from(error: SetRolesError) -> Self {
        let message = error.to_string();
        match error {
            SetRolesError::RunnerNotFound(runner) => Self::NoSuchRunner(runner.to_string()),
            SetRolesError::InvalidName(_) => Self::RolesNotSet(message, Code::RolesUnknown),
            SetRolesError::NotAvailable(_) => {
                Self::RolesNotSet(message, Code::JoinRoleNotAvailable)
            }
            SetRolesError::LastOfItsKind { role, .. } => Self::RolesNotSet(message, last(role)),
            SetRolesError::Redefined(_) => {
                Self::contract(StatusCode::CONFLICT, "roles.version_conflict", message)
            }
            SetRolesError::Store(error) => error.into(),
        }
    }
}

fn last(role: crate::model::Role) -> Code {
    match role {
        crate::model::Role::Director => Code::RolesLastDirector,
        _ => Code::RolesLastCoordinator,
    }
}

impl ApiError {
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::contract(StatusCode::NOT_FOUND, code, message)
    }

    /// A body that cannot be what it is, in no field more than in another.
    pub fn invalid_body(reason: impl Into<String>) -> Self {
        Self::InvalidBody { reason: reason.into(), field: None }
    }

    /// An error that only one operation has.
    pub fn contract(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Contract { status, code, message: message.into() }
    }

    /// A body that cannot be read, as the operation names it; any other error stays as it is.
    pub fn naming_body(self, name: impl FnOnce(String, Option<String>) -> Self) -> Self {
        match self {
            Self::InvalidBody { reason, field } => name(reason, field),
            other => other,
        }
    }

    pub fn deleting_allocator(id: &str, error: RemoveError) -> Self {
        match error {
            RemoveError::NotFound | RemoveError::LastOfItsKind { .. } => {
                Self::NoSuchAllocator(id.to_owned())
            }
            RemoveError::Connected(_) => Self::AllocatorConnected(id.to_owned()),
            RemoveError::Store(error) => error.into(),
        }
    }

    pub fn deleting_runner(id: &str, error: RemoveError) -> Self {
        let message = error.to_string();
        match error {
            RemoveError::NotFound => Self::NoSuchRunner(id.to_owned()),
            RemoveError::Connected(_) => Self::RunnerNotDeleted(message, None),
            RemoveError::LastOfItsKind { role, .. } => {
                Self::RunnerNotDeleted(message, Some(last(role)))
            }
            RemoveError::Store(error) => error.into(),
        }
    }
}
