use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::StorePath;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    pub name: String,
    pub role: UserRole,
    /// Argon2id, in the PHC string format.
    pub password_hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    Admin,
    /// Sees what is there, but neither tokens nor secrets, and changes nothing.
    Readonly,
}

impl Stored for UserRecord {
    const SCHEMA: u32 = 1;
}

impl UserRecord {
    pub fn root() -> StorePath {
        StorePath::root("users")
    }

    pub fn path(name: &str) -> StorePath {
        Self::root().child(name)
    }
}
