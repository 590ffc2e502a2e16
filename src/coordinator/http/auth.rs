use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{context::RequestId, context::SharedContext, error::ApiError};
use crate::{
    coordinator::{
        app::App,
        change::Origin,
        passwords::PasswordError,
        records::{Actor, UserRecord, UserRole},
    },
    model::Secret,
};

/// What an operation needs. Each operation names one; a handler that compiles is authorised.
pub trait Permission: Send + Sync {
    fn allows(role: UserRole) -> bool;
}

/// Seeing hosts, their roles and their state.
pub struct ReadHosts;
/// Changing hosts and their roles, and removing them.
pub struct ChangeHosts;
/// Seeing and making roles tokens: whoever may, can add hosts.
pub struct ManageTokens;

impl Permission for ReadHosts {
    fn allows(role: UserRole) -> bool {
        match role {
            UserRole::Admin | UserRole::Readonly => true,
        }
    }
}

impl Permission for ChangeHosts {
    fn allows(role: UserRole) -> bool {
        role == UserRole::Admin
    }
}

impl Permission for ManageTokens {
    fn allows(role: UserRole) -> bool {
        role == UserRole::Admin
    }
}

/// Proof that the request's user has the permission `P`, and who it is.
pub struct Permit<P> {
    pub origin: Origin,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<Arc<App>> for Permit<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let user = authenticate(parts, app).await?;
        if !P::allows(user.role) {
            return Err(ApiError::Forbidden);
        }
        let connection =
            parts.extensions.get::<SharedContext>().cloned().ok_or(ApiError::Internal)?;
        connection.vouch();
        let RequestId(request_id) =
            RequestId::from_request_parts(parts, app).await.unwrap_or_else(|never| match never {});
        Ok(Self {
            origin: Origin {
                actor: Actor::User(user.name.clone()),
                address: connection.address(),
                request_id,
            },
            permission: PhantomData,
        })
    }
}

async fn authenticate(parts: &Parts, app: &App) -> Result<Arc<UserRecord>, ApiError> {
    let header = parts.headers.get(header::AUTHORIZATION).ok_or(ApiError::Unauthenticated)?;
    let (name, password) = basic(header.as_bytes()).ok_or(ApiError::Unauthenticated)?;
    let user = app.registry.view().user(&name);
    app.passwords.check(user, &password).await.map_err(|error| match error {
        PasswordError::Wrong => ApiError::Unauthenticated,
        PasswordError::Busy => ApiError::Busy,
    })
}

/// RFC 7617.
fn basic(header: &[u8]) -> Option<(String, Secret)> {
    let (scheme, credentials) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(credentials.trim_ascii()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn basic_credentials_are_read_whatever_the_password_holds() {
        let header = format!("basic {}", STANDARD.encode("admin:a:b"));
        let (name, password) = basic(header.as_bytes()).expect("credentials");
        assert_eq!((name.as_str(), password.expose()), ("admin", "a:b"));
        for bad in ["", "Basic", "Basic !", "Bearer abc", "Basic YWRtaW4="] {
            assert!(basic(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = basic(&header);
            let _ = basic(&[b"Basic ".as_slice(), &header].concat());
        }
    }
}
