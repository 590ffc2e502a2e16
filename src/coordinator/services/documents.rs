use std::convert::Infallible;

use serde_json::Value;

use super::{Attempt, carry_out};
use crate::{
    coordinator::{
        app::App,
        change::{Change, Origin},
        records::{Document, create, decode, put},
    },
    store::{Op, Room, StoreError},
};

/// A document and the number that a change has to name.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    pub document: Document,
    pub version: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DocumentError<E> {
    #[error("there is no such thing")]
    NotFound,
    #[error("there is one already")]
    Exists,
    #[error("it has changed since: the version is {0}")]
    Conflict(u64),
    #[error("it cannot be so")]
    Invalid(E),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a document has to be there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Missing,
    There,
    Either,
}

pub async fn read(app: &App, kind: &str, name: &str) -> Result<Option<Versioned>, StoreError> {
    let record = app.store.get(&Document::path(kind, name)).await?;
    record
        .map(|record| Ok(Versioned { document: decode(&record)?, version: record.version }))
        .transpose()
}

pub async fn list(app: &App, kind: &str) -> Result<Vec<Versioned>, StoreError> {
    let records = app.store.list(&Document::root().child(kind)).await?;
    let versioned = |record| Ok(Versioned { document: decode(&record)?, version: record.version });
    records.into_iter().map(versioned).collect()
}

/// Writes what `edit` makes of the value that is there, if its version is the one that was given.
pub async fn write<E: Send>(
    app: &App,
    origin: &Origin,
    (kind, name): (&'static str, &str),
    (expect, version): (Expect, Option<u64>),
    edit: impl Fn(Option<&Value>) -> Result<Value, E> + Sync,
) -> Result<Versioned, DocumentError<E>> {
    let (path, edit) = (&Document::path(kind, name), &edit);
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let record = app.store.get(path).await?;
            let before: Option<Document> = record.as_ref().map(decode).transpose()?;
            match (&record, expect) {
                (Some(_), Expect::Missing) => return Err(DocumentError::Exists),
                (None, Expect::There) => return Err(DocumentError::NotFound),
                _ => {}
            }
            let current = record.as_ref().map_or(0, |record| record.version);
            if version.is_some_and(|version| version != current) {
                return Err(DocumentError::Conflict(current));
            }
            let old = before.as_ref().map(|it| &it.value);
            let value = edit(old).map_err(DocumentError::Invalid)?;
            let after = Document {
                value: value.clone(),
                created_at: before.as_ref().map_or(now, |it| it.created_at),
                modified_at: now,
            };
            let op = match &record {
                Some(record) => put(path.clone(), &after, record.version),
                None => create(path.clone(), &after),
            };
            let change = Change {
                ops: vec![op],
                action: "settings.write",
                room: Room::Ordinary,
                subject: format!("{kind}/{name}"),
                before: old.cloned().unwrap_or_default(),
                after: value,
            };
            Ok(Attempt::Commit(change, Versioned { document: after, version: current + 1 }))
        })
    })
    .await
}

/// The same with a value that does not depend on the one before.
pub async fn replace(
    app: &App,
    origin: &Origin,
    name: (&'static str, &str),
    expected: (Expect, Option<u64>),
    value: &Value,
) -> Result<Versioned, DocumentError<Infallible>> {
    write(app, origin, name, expected, |_| Ok(value.clone())).await
}

pub async fn delete(
    app: &App,
    origin: &Origin,
    (kind, name): (&'static str, &str),
    version: Option<u64>,
) -> Result<(), DocumentError<Infallible>> {
    let path = &Document::path(kind, name);
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or(DocumentError::NotFound)?;
            if version.is_some_and(|version| version != record.version) {
                return Err(DocumentError::Conflict(record.version));
            }
            let before: Document = decode(&record)?;
            let change = Change {
                ops: vec![Op::Delete { path: path.clone(), version: record.version }],
                action: "settings.delete",
                room: Room::Reserve,
                subject: format!("{kind}/{name}"),
                before: before.value,
                after: Value::Null,
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}
