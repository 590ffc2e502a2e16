use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stored;
use crate::{model::RunnerId, rt::Timestamp, store::StorePath};

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Actor {
    User(String),
    Host(RunnerId),
    /// The setting up of the first host.
    Bootstrap,
    /// Whoever is root, or the daemon's user, on a coordinator's machine.
    Local,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(name) => write!(f, "user {name}"),
            Actor::Host(runner) => write!(f, "host {runner}"),
            Actor::Bootstrap => f.write_str("bootstrap"),
            Actor::Local => f.write_str("the coordinator's machine"),
        }
    }
}

/// One change: written in the transaction that makes it, and never altered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub at: Timestamp,
    pub actor: Actor,
    pub source_address: IpAddr,
    pub request_id: Uuid,
    /// What was done, as `subject.verb`.
    pub action: String,
    /// The id of what it was done to.
    pub subject: String,
    pub before: serde_json::Value,
    pub after: serde_json::Value,
}

impl Stored for AuditRecord {
    const SCHEMA: u32 = 1;
}

impl AuditRecord {
    pub fn root() -> StorePath {
        StorePath::root("audit")
    }

    /// All records of the day of `at`.
    pub fn day_path(at: Timestamp) -> StorePath {
        let date = at.rfc3339();
        Self::root().child(date.split('T').next().unwrap_or_default())
    }

    /// By day, then spread, in the order of time within each directory.
    pub fn path(&self, id: Uuid) -> StorePath {
        let id = id.simple().to_string();
        Self::day_path(self.at).child(&super::shard(&id)).child(&id)
    }
}
