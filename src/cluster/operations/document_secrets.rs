//! What is secret in documents: it is sealed in the store and not in the audit.

use serde_json::{Map, Value};

use crate::cluster::{
    records::Document,
    seal::{MasterKey, SealError},
};

const REDACTED: &str = "[redacted]";
const CHANGED: &str = "[redacted, changed]";

/// Where the secrets of a kind of documents stand, as JSON pointers.
fn pointers(kind: &str) -> &'static [&'static str] {
    match kind {
        "proxies" => &[
            "/signature_secret",
            "/http_settings/cookie_secret",
            "/http_settings/user_cookie_key",
            "/http_settings/sso_settings/sso_secret",
        ],
        _ => &[],
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// The secrets of a value with their pointers, which leaves empty texts in their places.
fn take(kind: &str, value: &mut Value) -> Map<String, Value> {
    let mut taken = Map::new();
    for pointer in pointers(kind) {
        if let Some(place) = value.pointer_mut(pointer).filter(|it| !is_empty(it)) {
            taken.insert((*pointer).to_owned(), std::mem::replace(place, "".into()));
        }
    }
    taken
}

/// The value as those see it who may change nothing.
pub fn without_secrets(kind: &str, mut value: Value) -> Value {
    take(kind, &mut value);
    value
}

/// The document as it is stored. It opens with the same `purpose` alone.
pub(super) fn seal(
    master: &MasterKey,
    purpose: &str,
    kind: &str,
    mut document: Document,
) -> Document {
    let secrets = take(kind, &mut document.value);
    if !secrets.is_empty() {
        let text = zeroize::Zeroizing::new(Value::Object(secrets).to_string());
        document.sealed = Some(master.seal(purpose, text.as_bytes()));
    }
    document
}

/// The document with its secrets in their places.
pub(super) fn open(
    master: &MasterKey,
    purpose: &str,
    mut document: Document,
) -> Result<Document, SealError> {
    if let Some(sealed) = document.sealed.take() {
        let text = master.open(purpose, &sealed)?;
        let secrets: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|_| SealError::DoesNotOpen)?;
        for (pointer, secret) in secrets {
            *document.value.pointer_mut(&pointer).ok_or(SealError::DoesNotOpen)? = secret;
        }
    }
    Ok(document)
}

/// A change of a document as the audit shows it: that a secret is there and that it is another one,
/// not which. What has been through this comes out as it went in.
pub fn redact(kind: &str, before: &mut Value, after: &mut Value) {
    for pointer in pointers(kind) {
        let changed = before.pointer(pointer) != after.pointer(pointer);
        let there = |value: &Value| value.pointer(pointer).is_some_and(|it| !is_empty(it));
        let both = there(before) && there(after);
        for (value, shown) in [
            (&mut *before, REDACTED),
            (&mut *after, if both && changed { CHANGED } else { REDACTED }),
        ] {
            if let Some(place) = value.pointer_mut(pointer).filter(|it| !is_empty(it)) {
                *place = shown.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rt::Timestamp;

    fn settings(signature: &str, cookie: &str) -> Value {
        json!({ "signature_secret": signature, "http_settings": { "cookie_secret": cookie } })
    }

    #[test]
    fn a_stored_document_opens_with_its_own_purpose_and_shows_no_secret() {
        let dir = tempfile::tempdir().expect("a directory");
        let master = MasterKey::load_or_create(&dir.path().join("key")).expect("a key");
        let document = Document {
            value: settings("canary-one", ""),
            sealed: None,
            created_at: Timestamp::EPOCH,
            modified_at: Timestamp::EPOCH,
        };
        let sealed = seal(&master, "one", "proxies", document.clone());
        assert_eq!(sealed.value, settings("", ""));
        assert!(open(&master, "two", sealed.clone()).is_err());
        assert!(open(&master, "one", sealed).expect("opened") == document);
        let empty = Document { value: settings("", ""), ..document };
        assert!(seal(&master, "one", "proxies", empty).sealed.is_none());
    }

    #[test]
    fn the_audit_says_that_a_secret_is_set_or_changed_and_never_which_it_is() {
        let (mut before, mut after) = (settings("a", "b"), settings("a", "c"));
        redact("proxies", &mut before, &mut after);
        assert_eq!(before, settings("[redacted]", "[redacted]"));
        assert_eq!(after, settings("[redacted]", "[redacted, changed]"));
        let (again, still) = (before.clone(), after.clone());
        redact("proxies", &mut before, &mut after);
        assert_eq!((before, after), (again, still));

        let (mut none, mut first) = (Value::Null, settings("", "c"));
        redact("proxies", &mut none, &mut first);
        assert_eq!((none, first), (Value::Null, settings("", "[redacted]")));
    }
}
