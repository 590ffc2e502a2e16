//! What the coordinator keeps in the store, and under which paths.
//!
//! Values are JSON with a `schema` number; a record of a newer schema is refused, not guessed.

mod additions;
mod api_key;
mod audit;
mod cluster;
mod comments;
mod document;
mod host;
mod owner;
mod passages;
mod token;
mod user;
mod web_session;

use std::{collections::BTreeSet, sync::Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use additions::AdditionsRecord;
pub use api_key::ApiKeyRecord;
pub use audit::{Actor, AuditPlace, AuditRecord, AuditShare};
pub use cluster::{AuthorityRecord, ClusterRecord, SigningKeyRecord};
pub use comments::{Comment, CommentedPart, CommentsRecord};
pub use document::Document;
pub use host::{
    AllocatorConfig, DesiredRecord, FactsRecord, IdentityRecord, Joined, KeyRecord, MemberPart,
    SettingsRecord,
};
pub use owner::OwnerRecord;
pub use passages::{Passage, PassagesRecord};
pub use token::{Revocation, TokenRecord, UseRecord};
pub use user::{ADMIN, Hand, READONLY, UnknownUserRole, UserRecord, UserRole};
pub use web_session::{LONGEST_IDLE, LONGEST_SESSION, WebSessionRecord};

use crate::store::{Op, Record, StoreError, StorePath};

pub trait Stored: Serialize + DeserializeOwned {
    const SCHEMA: u32;
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    schema: u32,
    #[serde(flatten)]
    value: &'a T,
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

fn encode<T: Stored>(value: &T) -> Vec<u8> {
    serde_json::to_vec(&Outgoing { schema: T::SCHEMA, value }).expect("records are plain data")
}

/// Reads a record's value. Why not, if it cannot be, is said by the place: the value may hold a
/// secret.
pub fn decode<T: Stored>(record: &Record) -> Result<T, StoreError> {
    let damaged = |error: serde_json::Error| {
        let (path, kind, column) = (&record.path, error.classify(), error.column());
        StoreError::Failed(format!("the record {path} cannot be read: {kind:?}, column {column}"))
    };
    let Schema { schema } = serde_json::from_slice(&record.value).map_err(damaged)?;
    if schema > T::SCHEMA {
        return Err(StoreError::TooNew { found: schema.into(), known: T::SCHEMA.into() });
    }
    serde_json::from_slice(&record.value).map_err(damaged)
}

/// The same where one bad record must not hide others: `None` if it is damaged, which the log says
/// when the record is met first. That a newer version wrote it is an error here too.
pub fn readable<T: Stored>(record: &Record) -> Result<Option<T>, StoreError> {
    match decode(record) {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Failed(reason)) => {
            say_unreadable(record, &reason);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Says once of each record that it cannot be read.
pub fn say_unreadable(record: &Record, reason: &str) {
    const REMEMBERED: usize = 1_000;
    static SAID: Mutex<BTreeSet<(StorePath, u64)>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().expect("no panic while held");
    if said.len() >= REMEMBERED {
        said.clear();
    }
    if said.insert((record.path.clone(), record.revision)) {
        tracing::error!(path = %record.path, reason, "the record {} cannot be read, and is left out: {reason}", record.path);
    }
}

/// Of which schema a record is; `None` if that cannot be read.
pub fn schema_of(record: &Record) -> Option<u32> {
    serde_json::from_slice::<Schema>(&record.value).ok().map(|it| it.schema)
}

pub fn create<T: Stored>(path: StorePath, value: &T) -> Op {
    Op::Create { path, value: encode(value), lease: None }
}

pub fn put<T: Stored>(path: StorePath, value: &T, version: u64) -> Op {
    Op::Put { path, value: encode(value), version }
}

/// The directory that a record falls into, so that no directory grows past 10,000 records: two
/// hexadecimal digits that depend on `name` alone.
fn shard(name: &str) -> String {
    hex::encode(&digest(&SHA256, name.as_bytes()).as_ref()[..1])
}

fn sharded(root: &str, name: &str) -> StorePath {
    StorePath::root(root).child(&shard(name)).child(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_newer_schema_is_refused() {
        let record = |value: &str| Record {
            path: StorePath::root("users").child("admin"),
            version: 1,
            revision: 1,
            value: value.as_bytes().to_vec(),
        };
        let known = r#"{"schema":1,"name":"admin","role":"admin","password_hash":"x","new":1}"#;
        assert_eq!(decode::<UserRecord>(&record(known)).expect("readable").name, "admin");
        let newer = known.replace("\"schema\":1", "\"schema\":3");
        assert_eq!(
            decode::<UserRecord>(&record(&newer)).err(),
            Some(StoreError::TooNew { found: 3, known: 2 })
        );
    }

    #[test]
    fn shards_spread() {
        let used: std::collections::HashSet<String> =
            (0..2_000).map(|host| shard(&format!("10.0.{}.{}", host / 250, host % 250))).collect();
        assert!(used.len() > 240, "{}", used.len());
    }
}
