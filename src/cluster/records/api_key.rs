use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{Stored, UserRecord, sharded};
use crate::{rt::Timestamp, store::StorePath};

/// A key with which a program is a user, without the user's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    pub id: String,
    pub user: String,
    pub description: String,
    /// SHA-256 of the key's secret, in hexadecimal digits.
    pub secret_digest: String,
    /// SHA-256 of the hash of the password that the user had: another password ends the key.
    pub password_digest: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl Stored for ApiKeyRecord {
    const SCHEMA: u32 = 1;
}

impl ApiKeyRecord {
    pub fn root() -> StorePath {
        StorePath::root("api-keys")
    }

    pub fn path(id: &str) -> StorePath {
        sharded("api-keys", id)
    }

    /// Whether it can let its user in: it has not expired, and the password is still the same.
    pub fn is_good(&self, user: &UserRecord, now: Timestamp) -> bool {
        self.password_digest == Self::digest(&user.password_hash)
            && self.expires_at.is_none_or(|at| now < at)
    }

    pub fn digest(text: &str) -> String {
        hex::encode(digest(&SHA256, text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_until_it_expires_or_its_user_has_another_password() {
        let user = |hash: &str| UserRecord::new("one", [], hash);
        let at = Timestamp::from_unix_seconds(1_800_000_000);
        let key = |expires_at| ApiKeyRecord {
            id: "k".into(),
            user: "one".into(),
            description: String::new(),
            secret_digest: String::new(),
            password_digest: ApiKeyRecord::digest("a"),
            created_at: Timestamp::EPOCH,
            expires_at,
        };
        let just_before = at.minus(std::time::Duration::from_millis(1));
        assert!(key(None).is_good(&user("a"), at));
        assert!(!key(None).is_good(&user("b"), at));
        assert!(key(Some(at)).is_good(&user("a"), just_before));
        assert!(!key(Some(at)).is_good(&user("a"), at));
        assert!(!key(Some(at)).is_good(&user("b"), just_before));
    }
}
