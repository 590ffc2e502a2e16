//! What a host is told instead of success, on its own port.

use crate::{
    cluster::operations::{enrolment::EnrolError, members::FactsError, removal::RemoveError},
    http::error::{Answer, ApiError},
    model::Code,
};

impl EnrolError {
    /// What the host is told.
    fn answer(&self) -> Answer {
        Answer::Host(match self {
            Self::TokenInvalid => Code::TokenInvalid,
            Self::TokenRevoked(_) => Code::TokenRevoked,
            Self::TokenExpired { .. } => Code::TokenExpired,
            Self::TokenUsedUp(_) => Code::TokenUsedUp,
            Self::RolesExceeded { .. } => Code::TokenRolesExceeded,
            Self::RoleNotAvailable(_) => Code::JoinRoleNotAvailable,
            Self::RunnerIdTaken { .. } => Code::JoinRunnerIdTaken,
            Self::ReplaceRefused { .. } => Code::JoinReplaceRefused,
            Self::KeyInUse { .. } => Code::JoinKeyInUse,
            Self::RolesDiffer { .. } => Code::JoinRolesDiffer,
            Self::Removed { .. } => Code::HostRemoved,
            Self::TooMany(_) => Code::TokenTooOften,
            Self::RunnerIdReserved(_) => Code::JoinRunnerIdReserved,
            Self::InvalidFacts(_) => Code::CoordinatorProtocol,
            Self::Unfinished(_) => return Answer::Internal,
        })
    }

    /// For the count of what came of joins.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unfinished(_) => Code::StoreFailed.name(),
            refused => refused.answer().row().code,
        }
    }
}

impl From<EnrolError> for ApiError {
    fn from(error: EnrolError) -> Self {
        let refusal = error.answer().saying(error.to_string());
        match error {
            EnrolError::Unfinished(error) => error.into(),
            _ => refusal,
        }
    }
}

impl From<FactsError> for ApiError {
    fn from(error: FactsError) -> Self {
        match error {
            FactsError::Invalid(error) => {
                Answer::Host(Code::CoordinatorProtocol).saying(error.to_string())
            }
            FactsError::Unfinished(error) => error.into(),
        }
    }
}

/// A host that asks to leave is told this.
pub fn not_left(error: RemoveError) -> ApiError {
    let message = error.to_string();
    match error {
        RemoveError::NotFound => Answer::Host(Code::HostUnknown).saying(message),
        RemoveError::LastOfItsKind { .. } => Answer::Host(Code::UninstallFirstHost).saying(message),
        // A host that leaves may be connected.
        RemoveError::Connected(_) => Answer::Internal.into(),
        RemoveError::Unfinished(error) => error.into(),
    }
}
