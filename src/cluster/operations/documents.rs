use std::convert::Infallible;

use serde_json::Value;

use super::{Attempt, Unfinished, carry_out, document_secrets, only_addition};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{Document, create, put, readable, say_unreadable},
    },
    store::{Op, Record, Room, StoreError},
};

/// A document and the number that a change has to name.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    pub document: Document,
    pub version: u64,
}

/// Documents of one kind: roles, groups of proxies.
pub const MOST_OF_A_KIND: usize = 256;

/// Under which additions to a kind are noted.
const ADDITIONS: &str = "documents";

/// What stands in the audit for a value that could not be read.
const UNREADABLE: &str = "[unreadable]";

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is there, and damaged; to write all of it anew is the way out.
    #[error("what is stored as {0} cannot be read")]
    Unreadable(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, thiserror::Error)]
pub enum DocumentError<E> {
    #[error("there is no such thing")]
    NotFound,
    #[error("there is one already")]
    Exists,
    #[error("it has changed since: the version is {0}")]
    Conflict(u64),
    #[error("there are {MOST_OF_A_KIND} of them: delete some first")]
    TooMany,
    #[error("it cannot be so")]
    Invalid(E),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

impl<E> From<StoreError> for DocumentError<E> {
    fn from(error: StoreError) -> Self {
        Unfinished::from(error).into()
    }
}

/// Whether a document has to be there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Missing,
    There,
    Either,
}

/// What is there before a change.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    Nothing,
    Unreadable,
    Value(&'a Value),
}

impl Before<'_> {
    fn in_audit(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Unreadable => UNREADABLE.into(),
            Self::Value(value) => value.clone(),
        }
    }
}

/// The secrets of one document do not open as those of another.
fn purpose(record: &crate::store::StorePath) -> String {
    format!("document {record}")
}

/// The document with its secrets; `None` if it cannot be read.
fn open(app: &App, record: &Record) -> Result<Option<Document>, StoreError> {
    let Some(document) = readable(record)? else { return Ok(None) };
    match document_secrets::open(&app.master, &purpose(&record.path), document) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            say_unreadable(record, &error.to_string());
            Ok(None)
        }
    }
}

pub async fn read(app: &App, kind: &str, name: &str) -> Result<Option<Versioned>, ReadError> {
    let Some(record) = app.store.get(&Document::path(kind, name)).await? else { return Ok(None) };
    match open(app, &record)? {
        Some(document) => Ok(Some(Versioned { document, version: record.version })),
        None => Err(ReadError::Unreadable(format!("{kind}/{name}"))),
    }
}

/// All documents of a kind that can be read.
pub async fn list(app: &App, kind: &str) -> Result<Vec<Versioned>, StoreError> {
    let records = app.store.list(&Document::root().child(kind)).await?;
    let versioned = |record: Record| match open(app, &record) {
        Ok(Some(document)) => Some(Ok(Versioned { document, version: record.version })),
        Ok(None) => None,
        Err(error) => Some(Err(error)),
    };
    records.into_iter().filter_map(versioned).collect()
}

/// Writes what `edit` makes of what is there, if its version is the one that was given.
pub async fn write<E: Send>(
    app: &App,
    origin: &Origin,
    (kind, name): (&'static str, &str),
    (expect, version): (Expect, Option<u64>),
    edit: impl Fn(Before<'_>) -> Result<Value, E> + Sync,
) -> Result<Versioned, DocumentError<E>> {
    let (path, edit) = (&Document::path(kind, name), &edit);
    let _in_turn = match expect {
        Expect::There => None,
        Expect::Missing | Expect::Either => Some(app.queues.documents.lock().await),
    };
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let record = app.store.get(path).await?;
            match (&record, expect) {
                (Some(_), Expect::Missing) => return Err(DocumentError::Exists),
                (None, Expect::There) => return Err(DocumentError::NotFound),
                _ => {}
            }
            let mut ops = Vec::new();
            if record.is_none() {
                ops.push(only_addition(app, (ADDITIONS, kind)).await?);
                let others = app.store.list(&Document::root().child(kind)).await?;
                if others.len() >= MOST_OF_A_KIND {
                    return Err(DocumentError::TooMany);
                }
            }
            let current = record.as_ref().map_or(0, |record| record.version);
            if version.is_some_and(|version| version != current) {
                return Err(DocumentError::Conflict(current));
            }
            let opened = match &record {
                Some(record) => open(app, record)?,
                None => None,
            };
            let before = match (&record, &opened) {
                (None, _) => Before::Nothing,
                (Some(_), None) => Before::Unreadable,
                (Some(_), Some(document)) => Before::Value(&document.value),
            };
            let after = Document {
                value: edit(before).map_err(DocumentError::Invalid)?,
                sealed: None,
                created_at: opened.as_ref().map_or(now, |it| it.created_at),
                modified_at: now,
            };
            let stored = document_secrets::seal(&app.master, &purpose(path), kind, after.clone());
            ops.push(match &record {
                Some(record) => put(path.clone(), &stored, record.version),
                None => create(path.clone(), &stored),
            });
            let values = (before.in_audit(), after.value.clone());
            let change = audited("settings.write", ops, (kind, name), values);
            Ok(Attempt::Commit(change, Versioned { document: after, version: current + 1 }))
        })
    })
    .await
}

/// What makes a change fail if the document is not of this version any more, which is 0 as long as
/// nothing is stored.
pub async fn held_at<E: From<StoreError>>(
    app: &App,
    (kind, name): (&str, &str),
    version: u64,
    changed: impl FnOnce(u64) -> E,
) -> Result<Op, E> {
    let path = Document::path(kind, name);
    // That there is none is held by an addition that is not made. It comes before the look.
    let none = match version {
        0 => Some(only_addition(app, (ADDITIONS, kind)).await?),
        _ => None,
    };
    let record = app.store.get(&path).await?;
    match (record.map_or(0, |record| record.version), none) {
        (0, Some(none)) => Ok(none),
        (current, _) if current == version => Ok(Op::Check { path, version }),
        (current, _) => Err(changed(current)),
    }
}

fn audited(
    action: &'static str,
    ops: Vec<Op>,
    (kind, name): (&str, &str),
    (mut before, mut after): (Value, Value),
) -> Change {
    document_secrets::redact(kind, &mut before, &mut after);
    let room = match ops[..] {
        [Op::Delete { .. }] => Room::Reserve,
        _ => Room::Ordinary,
    };
    Change { ops, action, room, subject: format!("{kind}/{name}"), before, after }
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
            let before = open(app, &record)?.map_or(UNREADABLE.into(), |before| before.value);
            let op = Op::Delete { path: path.clone(), version: record.version };
            let change = audited("settings.delete", vec![op], (kind, name), (before, Value::Null));
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}
