//! What pages send: who may send it, and what becomes of it when it comes twice.

use std::{borrow::Cow, fmt, sync::Arc};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, rand};
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Ui,
    error::PageError,
    pages::sign_in,
    session::{SignedIn, Theme},
};
use crate::{
    cluster::permissions::Permission,
    http::{
        error::{Answer, ApiError},
        extract::read,
    },
    model::{Code, Secret},
};

/// Fields of a form, and bytes of them, that are kept while somebody signs in again.
const MOST_KEPT: usize = 64;
const MOST_KEPT_BYTES: usize = 8 * 1024;

/// Names of fields that are about the form itself.
const FORM_TOKEN: &str = "form_token";
pub const NONCE: &str = "nonce";

/// What was typed in, or stands behind the `?` of an address.
#[derive(Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn parse(text: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(text).map(|(name, value)| (owned(name), owned(value))).collect(),
        )
    }

    /// The first with this name; empty if there is none.
    pub fn one<'a>(&'a self, name: &str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// What is shown and sent again once somebody has signed in; `None` if it is too much.
    pub fn kept(&self) -> Option<impl Iterator<Item = &(String, String)>> {
        let kept = || self.0.iter().filter(|(name, _)| name != FORM_TOKEN && name != NONCE);
        let bytes: usize = kept().map(|(name, value)| name.len() + value.len()).sum();
        (kept().count() <= MOST_KEPT && bytes <= MOST_KEPT_BYTES).then(kept)
    }
}

/// A field may hold a secret.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn owned(text: Cow<'_, str>) -> String {
    text.into_owned()
}

/// What stands behind the `?` of a page's address.
pub struct Asked(pub Fields);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// A form of a page of this coordinator, which nobody has to be signed in for.
pub struct Open(pub Fields);

impl FromRequest<Arc<Ui>> for Open {
    type Rejection = PageError;

    async fn from_request(request: Request, _ui: &Arc<Ui>) -> Result<Self, PageError> {
        own_page(request.headers())?;
        Ok(Self(fields_of(request).await?))
    }
}

/// A form of somebody who is signed in and has the permission `P`.
pub struct Sent<P> {
    pub by: SignedIn<P>,
    pub fields: Fields,
}

impl<P: Permission> FromRequest<Arc<Ui>> for Sent<P> {
    type Rejection = PageError;

    async fn from_request(request: Request, ui: &Arc<Ui>) -> Result<Self, PageError> {
        own_page(request.headers())?;
        let (mut parts, body) = request.into_parts();
        let by = SignedIn::<P>::of(&mut parts, ui).await?;
        let theme = Theme::of(&parts.headers);
        let action = parts.uri.path().to_owned();
        let fields = fields_of(Request::from_parts(parts, body)).await?;
        let Some(by) = by else {
            // Nobody is signed in any more. What was typed is kept.
            return Err(PageError::Instead(Box::new(sign_in::again(ui, theme, &action, &fields))));
        };
        let given = fields.one(FORM_TOKEN).as_bytes();
        verify_slices_are_equal(given, by.form_token.as_bytes()).map_err(|_| not_ours())?;
        Ok(Self { by, fields })
    }
}

async fn fields_of(request: Request) -> Result<Fields, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(not_ours());
    }
    Ok(Fields::parse(&read(request).await?))
}

/// Cookies know no ports: what another port of this host sends must not pass for a page of ours.
fn own_page(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let site = headers.get("sec-fetch-site");
    let origin = text(header::ORIGIN).and_then(|origin| origin.strip_prefix("https://"));
    let same =
        origin.zip(text(header::HOST)).is_some_and(|(it, host)| it.eq_ignore_ascii_case(host));
    match same && site.is_none_or(|site| site == "same-origin") {
        true => Ok(()),
        false => Err(not_ours()),
    }
}

fn not_ours() -> ApiError {
    Answer::Forbidden.saying(Code::UiForeignForm.cause()).because(Code::UiForeignForm)
}

/// What only a page that was made for this session knows.
pub fn form_token(session: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"form token"))
}

/// Names one showing of a form.
pub fn nonce() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system's random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A path of this coordinator; `None` for anything that leads elsewhere.
pub fn own_path(text: &str) -> Option<&str> {
    let plain = text.len() <= 2_000 && text.bytes().all(|it| it.is_ascii_graphic() && it != b'\\');
    (plain && text.starts_with('/') && !text.starts_with("//")).then_some(text)
}

/// A query of an address, from names and values.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        own_page(&headers).is_ok()
    }

    #[test]
    fn only_a_page_of_the_same_host_and_port_sends_a_form() {
        let here = ("host", "h:12443");
        assert!(sent(&[here, ("origin", "https://h:12443")]));
        assert!(sent(&[here, ("origin", "https://H:12443"), ("sec-fetch-site", "same-origin")]));
        for origin in ["https://h:9243", "http://h:12443", "https://h", "null", "https://e:12443"] {
            assert!(!sent(&[here, ("origin", origin)]), "{origin}");
        }
        assert!(!sent(&[here]), "no browser of today leaves it out");
        for site in ["same-site", "cross-site", "none"] {
            assert!(!sent(&[here, ("origin", "https://h:12443"), ("sec-fetch-site", site)]));
        }
    }

    #[test]
    fn a_form_token_is_that_of_one_session() {
        let token = |session| form_token(&Secret::new(session));
        assert_eq!(token("a"), token("a"));
        assert_ne!(token("a"), token("b"));
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn nothing_leads_to_another_host() {
        assert_eq!(own_path("/hosts?q=a%20b"), Some("/hosts?q=a%20b"));
        for bad in ["", "hosts", "//evil", "/\\evil", "https://evil", "/a\r\nb", "/\u{e9}"] {
            assert_eq!(own_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_was_typed_is_kept_without_what_proves_anything_and_not_without_bound() {
        let fields =
            Fields::parse(b"form_token=t&nonce=n&role=proxy&role=allocator&description=a%20b");
        let kept: Vec<_> = fields.kept().expect("little").map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["role", "role", "description"]);
        assert_eq!(fields.all("role").collect::<Vec<_>>(), ["proxy", "allocator"]);
        assert_eq!(fields.one("description"), "a b");
        let much = format!("a={}", "x".repeat(MOST_KEPT_BYTES));
        assert!(Fields::parse(much.as_bytes()).kept().is_none());
        assert!(!format!("{:?}", Fields::parse(b"password=hunter2")).contains("hunter2"));
    }
}
