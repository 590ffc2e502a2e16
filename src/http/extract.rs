use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserializer, de::DeserializeOwned};

use super::{
    error::{Answer, ApiError},
    request_id::Asked,
};
use crate::model::printable::cut;

/// No request here comes near this many bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// Levels of objects and lists in a body. The JSON reader takes 128, and what is stored has to be
/// read again with more around it.
const DEEPEST: usize = 32;

/// Characters of a field's name that a reply repeats.
const LONGEST_FIELD: usize = 128;

const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What stands in a path; a mistake in it is told like any other.
pub struct Path<T>(pub T);

/// What stands behind the `?` of a path.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| ApiError::no_such_path(&Asked::of(parts)))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| ApiError::invalid_parameter("query", error.body_text()))
    }
}

/// A request's body as JSON.
pub struct Body<T>(pub T);

/// The same where no body at all is as good as an empty object.
pub struct OptionalBody<T>(pub T);

/// What a change carries is not said to be JSON: known before the body is read, and told after it.
#[derive(Clone, Copy)]
struct NotSaidToBeJson;

/// Keeps what a web page can make somebody's browser send, with the credentials that it keeps, from
/// being taken for a change: it cannot say that it sends JSON, and browsers say what page it comes from.
pub async fn no_forgeries(mut request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let from = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if from.is_some_and(|from| !matches!(from, b"same-origin" | b"none")) || is_of_another(&request)
    {
        return ApiError::from(Answer::Forbidden).into_response();
    }
    if !says_json(&request) {
        request.extensions_mut().insert(NotSaidToBeJson);
    }
    next.run(request).await
}

/// Whether a page of another host or port makes the request: browsers say so since long.
fn is_of_another(request: &Request) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let of = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    !of.zip(host).is_some_and(|((_, of), host)| of.eq_ignore_ascii_case(host))
}

fn says_json(request: &Request) -> bool {
    let given = request.headers().get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let forged = request.extensions().get::<NotSaidToBeJson>().is_some();
        let value = parse(&read(request).await?)?;
        if forged { Err(Answer::NotJson.into()) } else { Ok(Self(value)) }
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let forged = request.extensions().get::<NotSaidToBeJson>().is_some();
        let bytes = read(request).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let value = parse(&bytes)?;
        if forged { Err(Answer::NotJson.into()) } else { Ok(Self(value)) }
    }
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    if depth(bytes) > DEEPEST {
        let reason = format!("it is nested deeper than {DEEPEST} levels");
        return Err(ApiError::invalid_body(reason));
    }
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let value = read_fields(&mut text)?;
    text.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// Reads a value field by field, so that the one at fault can be named.
pub fn read_fields<'de, T, D>(from: D) -> Result<T, ApiError>
where
    T: DeserializeOwned,
    D: Deserializer<'de, Error = serde_json::Error>,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        if !error.is_data() {
            return not_json(&error);
        }
        // The text of the error may quote the body, which may hold a secret: the place is enough.
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (missing, path.as_str()) {
            (None, ".") => {
                return ApiError::invalid_body(format!("it is no object{}", at(&error)));
            }
            (None, path) => path.to_owned(),
            (Some(name), ".") => name.to_owned(),
            (Some(name), path) => format!("{path}.{name}"),
        };
        let field = cut(&field, LONGEST_FIELD);
        let what = if missing.is_some() { "is missing" } else { "has a wrong type or value" };
        let reason = format!("the field {field} {what}{}", at(&error));
        ApiError::invalid_body(reason).at(field)
    })
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::invalid_body(format!("it is not JSON{}", at(error)))
}

/// Where in a text something is wrong, if it comes from a text.
fn at(error: &serde_json::Error) -> String {
    match error.line() {
        0 => String::new(),
        line => format!(" (line {line}, column {})", error.column()),
    }
}

/// How many objects and lists of a JSON text are open at once, at most.
fn depth(json: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What follows the quotation mark of a string, with the one that ends it.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// A request's body, which has to arrive in time.
pub async fn read(request: Request) -> Result<Bytes, ApiError> {
    let reading = Bytes::from_request(request, &());
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))) => {
            Err(Answer::BodyTooLarge.into())
        }
        Ok(Err(_)) => Err(ApiError::invalid_body("it broke off")),
        Err(_) => Err(ApiError::invalid_body("it did not arrive in time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_outside_of_strings() {
        for (json, levels) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[[1],[2]],"b":{}}"#, 3),
            (r#"["[[[","\"[[","\\",[]]"#, 2),
            ("]]][[", 2),
            (r#"["[["#, 1),
        ] {
            assert_eq!(depth(json.as_bytes()), levels, "{json}");
        }
    }

    #[test]
    fn a_body_of_32_levels_is_taken_and_one_of_33_is_not() {
        let nested = |levels: usize| Bytes::from("[".repeat(levels) + &"]".repeat(levels));
        assert!(parse::<serde_json::Value>(&nested(DEEPEST)).is_ok());
        let refused = parse::<serde_json::Value>(&nested(DEEPEST + 1));
        assert!(refused.is_err_and(|error| error.is(Answer::InvalidBody)));
    }
}
