//! What both the API and the pages say of hosts and tokens that stay as they are.

use super::error::{Answer, ApiError};
use crate::{
    cluster::operations::{
        removal::RemoveError,
        roles::SetRolesError,
        tokens::{CreateTokenError, InvalidTokenRequest, RevokeTokenError},
    },
    model::{Code, Role},
};

pub fn no_such_runner(id: &str) -> ApiError {
    Answer::NoSuchRunner.saying(format!("there is no runner {id}"))
}

impl From<SetRolesError> for ApiError {
    fn from(error: SetRolesError) -> Self {
        let failed = Answer::RunnerRoles.saying(error.to_string());
        match error {
            SetRolesError::RunnerNotFound(runner) => no_such_runner(runner.as_str()),
            SetRolesError::InvalidName(_) => failed.because(Code::RolesUnknown),
            SetRolesError::NotAvailable(_) => failed.because(Code::JoinRoleNotAvailable),
            SetRolesError::LastOfItsKind { role, .. } => failed.because(last(role)),
            SetRolesError::Changed(_) => Answer::RunnerConflict.saying(error.to_string()),
            SetRolesError::Unfinished(error) => error.into(),
        }
    }
}

pub fn not_deleted(id: &str, error: RemoveError) -> ApiError {
    let failed = Answer::RunnerDeletion.saying(error.to_string());
    match error {
        RemoveError::NotFound => no_such_runner(id),
        RemoveError::Connected(_) => failed,
        RemoveError::LastOfItsKind { role, .. } => failed.because(last(role)),
        RemoveError::Unreadable { .. } => Answer::UnreadableHost.saying(error.to_string()),
        RemoveError::Unfinished(error) => error.into(),
    }
}

/// Of which roles there must be one.
fn last(role: Role) -> Code {
    match role {
        Role::Director => Code::RolesLastDirector,
        Role::Coordinator | Role::Allocator | Role::Proxy => Code::RolesLastCoordinator,
    }
}

impl From<InvalidTokenRequest> for ApiError {
    fn from(error: InvalidTokenRequest) -> Self {
        let message = format!("the request for a token is not valid: {}", error.message);
        Answer::InvalidTokenRequest.saying(message).at(error.field)
    }
}

impl From<CreateTokenError> for ApiError {
    fn from(error: CreateTokenError) -> Self {
        match error {
            CreateTokenError::NoSigningKey => Answer::NoSigningKey.into(),
            CreateTokenError::Unfinished(error) => error.into(),
        }
    }
}

impl From<RevokeTokenError> for ApiError {
    fn from(error: RevokeTokenError) -> Self {
        match error {
            RevokeTokenError::NotFound => Answer::NoSuchToken.into(),
            RevokeTokenError::Unfinished(error) => error.into(),
        }
    }
}
