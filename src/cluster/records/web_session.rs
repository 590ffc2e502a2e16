use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ApiKeyRecord, Stored, UserRecord, sharded};
use crate::{model::Secret, rt::Timestamp, store::StorePath};

/// How long somebody is signed in at most, however busy they are.
pub const LONGEST_SESSION: Duration = Duration::from_secs(12 * 3600);

/// And how long without a page that they have asked for.
pub const LONGEST_IDLE: Duration = Duration::from_secs(3600);

/// How exactly it is known when they were seen.
const STEP: Duration = Duration::from_secs(300);

/// Somebody who is signed in to the pages with a browser. It lies under the digest of the secret that
/// the browser keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSessionRecord {
    pub user: String,
    /// SHA-256 of the hash of the password that the user had: another password ends the session.
    pub password_digest: String,
    pub signed_in_at: Timestamp,
    /// In steps, so that not every page that is looked at is a write.
    pub seen_at: Timestamp,
}

impl Stored for WebSessionRecord {
    const SCHEMA: u32 = 1;
}

impl WebSessionRecord {
    pub fn new(user: &UserRecord, now: Timestamp) -> Self {
        Self {
            user: user.name.clone(),
            password_digest: ApiKeyRecord::digest(&user.password_hash),
            signed_in_at: now,
            seen_at: now,
        }
    }

    pub fn root() -> StorePath {
        StorePath::root("web-sessions")
    }

    pub fn path(digest: &str) -> StorePath {
        sharded("web-sessions", digest)
    }

    pub fn digest(secret: &Secret) -> String {
        ApiKeyRecord::digest(secret.expose())
    }

    /// Whether it can let its user in.
    pub fn is_good(&self, user: &UserRecord, now: Timestamp) -> bool {
        self.is_of(user)
            && now < self.signed_in_at.plus(LONGEST_SESSION)
            && now < self.seen_at.plus(LONGEST_IDLE + STEP)
    }

    /// Whether it has been long since it was noted that the user is there.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        now >= self.seen_at.plus(STEP)
    }

    /// Whether the user still has the password that they signed in with.
    fn is_of(&self, user: &UserRecord) -> bool {
        self.user == user.name && self.password_digest == ApiKeyRecord::digest(&user.password_hash)
    }
}
