//! What a host is told instead of success, on its own port.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{
    cluster::operations::{enrolment::EnrolError, removal::RemoveError},
    http::error::{ApiError, failed},
    model::{Code, Exit},
    store::StoreError,
    wire::FailedReplyElement,
};

pub enum HostError {
    Refused(Code, String),
    Api(ApiError),
}

impl From<ApiError> for HostError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}

impl EnrolError {
    /// What the host is told; `None` for what is not its fault.
    fn refusal(&self) -> Option<Code> {
        Some(match self {
            EnrolError::TokenInvalid => Code::TokenInvalid,
            EnrolError::TokenRevoked(_) => Code::TokenRevoked,
            EnrolError::TokenExpired { .. } => Code::TokenExpired,
            EnrolError::TokenUsedUp(_) => Code::TokenUsedUp,
            EnrolError::RolesExceeded { .. } => Code::TokenRolesExceeded,
            EnrolError::RoleNotAvailable(_) => Code::JoinRoleNotAvailable,
            EnrolError::RunnerIdTaken { .. } => Code::JoinRunnerIdTaken,
            EnrolError::ReplaceRefused { .. } => Code::JoinReplaceRefused,
            EnrolError::KeyInUse { .. } => Code::JoinKeyInUse,
            EnrolError::RolesDiffer { .. } => Code::JoinRolesDiffer,
            EnrolError::Removed { .. } => Code::HostRemoved,
            EnrolError::TooMany(_) => Code::TokenTooOften,
            EnrolError::RunnerIdReserved(_) => Code::JoinRunnerIdReserved,
            EnrolError::InvalidFacts(_) => Code::CoordinatorProtocol,
            EnrolError::Store(_) => return None,
        })
    }

    pub fn code(&self) -> &'static str {
        self.refusal().unwrap_or(Code::StoreFailed).name()
    }
}

impl From<EnrolError> for HostError {
    fn from(error: EnrolError) -> Self {
        match (error.refusal(), error) {
            (_, EnrolError::Store(error)) => error.into(),
            (Some(code), error) => Self::Refused(code, error.to_string()),
            (None, _) => ApiError::Internal.into(),
        }
    }
}

impl From<RemoveError> for HostError {
    fn from(error: RemoveError) -> Self {
        let message = error.to_string();
        match error {
            RemoveError::NotFound => Self::Refused(Code::HostUnknown, message),
            RemoveError::LastOfItsKind { .. } => Self::Refused(Code::UninstallFirstHost, message),
            // A host that leaves may be connected.
            RemoveError::Connected(_) => ApiError::Internal.into(),
            RemoveError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for HostError {
    fn into_response(self) -> Response {
        match self {
            HostError::Api(error) => error.into_response(),
            HostError::Refused(code, message) => {
                let status = match code.exit() {
                    Exit::Refused | Exit::TokenRefusedLocally => StatusCode::FORBIDDEN,
                    _ => StatusCode::BAD_REQUEST,
                };
                let element = FailedReplyElement {
                    code: code.name().to_owned(),
                    message,
                    fields: None,
                    cause_code: None,
                    fix: Some(code.fix().to_owned()),
                };
                failed(status, element)
            }
        }
    }
}
