//! Who is signed in, by the cookie that their browser sends.

mod theme;

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};

use super::{Ui, error::PageError, forms::form_token};
use crate::{
    cluster::{
        change::{Credential, Origin, Standing},
        operations::web_sessions::{WebSession, note_seen, signed_in},
        permissions::Permission,
        records::{Actor, LONGEST_SESSION},
    },
    http::{error::Answer, request_id::RequestId},
    model::Secret,
    server::SharedContext,
};

pub use theme::Theme;

/// Sent over TLS alone, to all paths of this host, and not to be set by another one (RFC 6265bis).
const COOKIE: &str = "__Host-ece-agent";

/// A page that looks for news says so by this, and is no sign that somebody is there.
pub const LIVE: &str = "x-live";

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
    let mut pairs = all.flat_map(|it| it.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The secret that a browser was given.
pub fn secret(headers: &HeaderMap) -> Option<Secret> {
    cookie(headers, COOKIE).map(Secret::new)
}

/// What gives a browser its secret; without one it is taken back.
pub fn set_cookie(secret: Option<&Secret>) -> Option<HeaderValue> {
    let (value, age) = match secret {
        Some(secret) => (secret.expose(), LONGEST_SESSION.as_secs()),
        None => ("", 0),
    };
    let text =
        format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={age}");
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Proof that whoever asks is signed in and has the permission `P`.
pub struct SignedIn<P> {
    pub session: Arc<WebSession>,
    pub origin: Origin,
    pub form_token: String,
    pub theme: Theme,
    permission: PhantomData<P>,
}

impl<P> SignedIn<P> {
    pub fn may<Q: Permission>(&self) -> bool {
        Q::allows(&self.session.user)
    }
}

impl<P: Permission> SignedIn<P> {
    /// `None` if nobody is signed in.
    pub async fn of(parts: &mut Parts, ui: &Ui) -> Result<Option<Self>, PageError> {
        let Some(secret) = secret(&parts.headers) else { return Ok(None) };
        let Some(session) = signed_in(&ui.app, &secret) else { return Ok(None) };
        let connection =
            parts.extensions.get::<SharedContext>().cloned().ok_or(Answer::Internal)?;
        connection.admission.belongs_to_user(&session.user.name);
        if !P::allows(&session.user) {
            return Err(Answer::Forbidden.into());
        }
        if !parts.headers.contains_key(LIVE) {
            note_seen(&ui.app, &session).await;
        }
        let RequestId(request_id) =
            RequestId::from_request_parts(parts, ui).await.unwrap_or_else(|never| match never {});
        let standing = Standing {
            user: session.user.clone(),
            allows: P::allows,
            credential: Credential::WebSession(session.digest.clone()),
        };
        Ok(Some(Self {
            origin: Origin {
                actor: Actor::User(session.user.name.clone()),
                address: connection.address(),
                request_id,
                standing: Some(standing),
            },
            session: Arc::new(session),
            form_token: form_token(&secret),
            theme: Theme::of(&parts.headers),
            permission: PhantomData,
        }))
    }
}

impl<P: Permission> FromRequestParts<Arc<Ui>> for SignedIn<P> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, PageError> {
        let to = parts.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        Self::of(parts, ui).await?.ok_or(PageError::SignIn { to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; __Host-ece-agent=s=x"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(secret(&headers).expect("one").expose(), "s=x");
        assert_eq!(cookie(&headers, "b"), Some("2"));
        assert_eq!(cookie(&headers, "c"), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_over_tls_and_not_for_scripts() {
        let set = set_cookie(Some(&Secret::new("s"))).expect("a header");
        let text = set.to_str().expect("text");
        assert_eq!(
            text,
            "__Host-ece-agent=s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200"
        );
        assert!(!format!("{set:?}").contains("ece-agent"), "{set:?}");
        assert!(set_cookie(None).expect("a header").to_str().expect("text").ends_with("Max-Age=0"));
    }
}
