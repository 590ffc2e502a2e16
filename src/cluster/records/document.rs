use std::fmt;

use serde::{Deserialize, Serialize};

use super::Stored;
use crate::{rt::Timestamp, store::StorePath};

/// Something that the API lets people change as a whole: settings of proxies, groups, roles.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub value: serde_json::Value,
    /// What is secret in the value, sealed with the master key: a JSON object that says what stands
    /// at which JSON pointer (RFC 6901). Records of schema 1 have it in the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

/// Without the value, which may hold secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("modified_at", &self.modified_at).finish_non_exhaustive()
    }
}

impl Stored for Document {
    const SCHEMA: u32 = 2;
}

impl Document {
    pub fn root() -> StorePath {
        StorePath::root("documents")
    }

    /// `kind` is one of a few, `name` may come from a request.
    pub fn path(kind: &str, name: &str) -> StorePath {
        Self::root().child(kind).child(&format!("x{}", hex::encode(name)))
    }
}
