//! What a host is told instead of success, on its own port.

use crate::{
    cluster::operations::{
        Unfinished, enrolment::EnrolError, members::FactsError, removal::RemoveError,
    },
    http::error::{Answer, ApiError},
    model::Code,
};

impl EnrolError {
    /// What the host is told, unless it is not about the host.
    fn refusal(&self) -> Result<Code, &Unfinished> {
        Ok(match self {
            Self::TokenInvalid => Code::TokenInvalid,
            Self::TokenRevoked(_) => Code::TokenRevoked,
            Self::TokenExpired { .. } => Code::TokenExpired,
            Self::TokenUsedUp(_) => Code::TokenUsedUp,
            Self::RolesExceeded { .. } => Code::TokenRolesExceeded,
            Self::RoleNotAvailable(_) => Code::JoinRoleNotAvailable,
            Self::RunnerIdTaken { .. } => Code::JoinRunnerIdTaken,
            Self::RunnerIdAlike { .. } => Code::JoinRunnerIdAlike,
            Self::ReplaceRefused { .. } => Code::JoinReplaceRefused,
            Self::KeyInUse { .. } => Code::JoinKeyInUse,
            Self::RolesDiffer { .. } => Code::JoinRolesDiffer,
            Self::Removed { .. } => Code::HostRemoved,
            Self::TooMany(_) => Code::TokenTooOften,
            Self::RunnerIdReserved(_) => Code::JoinRunnerIdReserved,
            Self::RunnerIdAddress(..) => Code::JoinRunnerIdAddress,
            Self::InvalidFacts(_) => Code::CoordinatorProtocol,
            Self::Unfinished(error) => return Err(error),
        })
    }

    /// For the count of what came of joins.
    pub fn code(&self) -> &'static str {
        match self.refusal() {
            Ok(code) => code.name(),
            Err(Unfinished::Contended) => Answer::Contended.row().code,
            Err(Unfinished::OutcomeUnknown) => Code::StoreOutcomeUnknown.name(),
            Err(Unfinished::Withdrawn | Unfinished::Store(_)) => Code::StoreFailed.name(),
        }
    }
}

impl From<EnrolError> for ApiError {
    fn from(error: EnrolError) -> Self {
        match (error.refusal().ok(), error) {
            (_, EnrolError::Unfinished(error)) => error.into(),
            (code, refused) => {
                Answer::Host(code.unwrap_or(Code::Internal)).saying(refused.to_string())
            }
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
        RemoveError::Unreadable { .. } => Answer::Host(Code::StoreUnreadableHost).saying(message),
        // A host that leaves may be connected.
        RemoveError::Connected(_) => Answer::Internal.into(),
        RemoveError::Unfinished(error) => error.into(),
    }
}
