use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

pub use crate::cluster::permissions::*;
use crate::{
    cluster::{
        app::App,
        change::{Credential, Origin, Standing},
        operations::{api_keys::user_of_key, sessions::user_of_session},
        records::{Actor, UserRecord},
        sign_in::{check_password, remembered},
    },
    http::{
        error::{Answer, ApiError},
        request_id::RequestId,
    },
    limits::source::Source,
    model::Secret,
    server::SharedContext,
};

/// Proof that the request's user has the permission `P`, and who it is.
pub struct Permit<P> {
    pub origin: Origin,
    pub user: Arc<UserRecord>,
    /// The bearer token that the request came with.
    pub bearer: Option<Secret>,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<Arc<App>> for Permit<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let connection =
            parts.extensions.get::<SharedContext>().cloned().ok_or(Answer::Internal)?;
        let Known { user, credential } = match parts.extensions.get::<Known>() {
            Some(known) => known.clone(),
            None => match Credentials::of(&parts.headers) {
                Some(Credentials::Basic(name, password)) => {
                    let _queued = connection.admission.queue();
                    let from = Source::of(connection.address());
                    let user = check_password(app, &name, &password, from).await?;
                    Known { user, credential: Credential::Password }
                }
                Some(Credentials::Bearer(_) | Credentials::ApiKey(_)) | None => {
                    return Err(Answer::Unauthenticated.into());
                }
            },
        };
        connection.admission.belongs_to_user(&user.name);
        if !P::allows(&user) {
            return Err(Answer::Forbidden.into());
        }
        let RequestId(request_id) =
            RequestId::from_request_parts(parts, app).await.unwrap_or_else(|never| match never {});
        Ok(Self {
            origin: Origin {
                actor: Actor::User(user.name.clone()),
                address: connection.address(),
                request_id,
                standing: Some(Standing { user: user.clone(), allows: P::allows, credential }),
            },
            user,
            bearer: bearer(&parts.headers),
            permission: PhantomData,
        })
    }
}

impl<P> Permit<P> {
    /// Whether the request came with a key, which a program has, and not with a person's login.
    pub fn is_by_api_key(&self) -> bool {
        let standing = self.origin.standing.as_ref();
        standing.is_some_and(|standing| matches!(standing.credential, Credential::ApiKey(_)))
    }

    /// The origin of what needs another permission than the operation itself.
    pub fn origin_with<Q: Permission>(&self) -> Origin {
        let standing = self.origin.standing.clone();
        let standing = standing.map(|standing| Standing { allows: Q::allows, ..standing });
        Origin { standing, ..self.origin.clone() }
    }
}

/// What a request says of who sends it.
enum Credentials {
    Basic(String, Secret),
    Bearer(Secret),
    ApiKey(Secret),
}

impl Credentials {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(header::AUTHORIZATION)?.as_bytes();
        let secret =
            |text: &[u8]| std::str::from_utf8(text).ok().map(|text| Secret::new(text.trim()));
        if let Some((name, password)) = basic(header) {
            return Some(Self::Basic(name, password));
        }
        if let Some(text) = after_scheme(header, b"bearer ") {
            return secret(text).map(Self::Bearer);
        }
        secret(after_scheme(header, b"apikey ")?).map(Self::ApiKey)
    }
}

/// Whose a request is, if its credentials were found good without any work: a lookup, or a
/// password that was right a short while ago. Bearer tokens and keys are good only if they are here.
#[derive(Clone)]
pub struct Known {
    pub user: Arc<UserRecord>,
    pub credential: Credential,
}

impl Known {
    pub fn by(app: &App, headers: &HeaderMap, from: Source) -> Option<Self> {
        let (user, credential) = match Credentials::of(headers)? {
            Credentials::Basic(name, password) => {
                (remembered(app, &name, &password, from)?, Credential::Password)
            }
            Credentials::Bearer(text) => {
                let session = app.sessions.open_session(text.expose());
                (user_of_session(app, &text)?, Credential::Session(session))
            }
            Credentials::ApiKey(text) => {
                let (user, id) = user_of_key(app, text.expose())?;
                (user, Credential::ApiKey(id))
            }
        };
        Some(Self { user, credential })
    }
}

/// The bearer token of a request, whatever it is worth.
pub fn bearer(headers: &HeaderMap) -> Option<Secret> {
    match Credentials::of(headers)? {
        Credentials::Bearer(text) => Some(text),
        Credentials::Basic(..) | Credentials::ApiKey(_) => None,
    }
}

fn after_scheme<'a>(header: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (given, rest) = header.split_at_checked(scheme.len())?;
    given.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// RFC 7617.
fn basic(header: &[u8]) -> Option<(String, Secret)> {
    let credentials = after_scheme(header, b"basic ")?;
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
