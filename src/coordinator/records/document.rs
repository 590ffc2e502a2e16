use serde::{Deserialize, Serialize};

use super::Stored;
use crate::{rt::Timestamp, store::StorePath};

/// Something that the API lets people change as a whole: settings of proxies, groups, roles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub value: serde_json::Value,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

impl Stored for Document {
    const SCHEMA: u32 = 1;
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
