//! Bearer tokens: short-lived sessions of users, in memory. A restart of the coordinator ends
//! them; whoever had one logs in again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::Duration,
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::time::Instant;

use super::records::UserRecord;
use crate::model::Secret;

/// How long a session lasts unless it is renewed.
pub const LIFETIME: Duration = Duration::from_secs(3600);

/// Command-line clients log in for every command and never log out: of too many the oldest ends.
const MOST: usize = 65_536;

type Digest = [u8; 32];

#[derive(Default)]
pub struct Sessions(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    by_digest: HashMap<Digest, Session>,
    by_age: BTreeMap<u64, Digest>,
}

#[derive(Clone)]
struct Session {
    number: u64,
    user: String,
    /// The hash of the password that it was opened with: another password ends it.
    password_hash: String,
    until: Instant,
}

fn digest_of(text: &str) -> Digest {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl Sessions {
    /// Opens a session; the text is nowhere else.
    pub fn open(&self, user: &UserRecord) -> Secret {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut()).expect("the system's random numbers");
        let text = Secret::new(URL_SAFE_NO_PAD.encode(*bytes));
        let digest = digest_of(text.expose());
        let mut open = self.lock();
        while open.by_digest.len() >= MOST {
            let Some((_, oldest)) = open.by_age.pop_first() else { break };
            open.by_digest.remove(&oldest);
        }
        let number = open.next;
        open.next += 1;
        open.by_age.insert(number, digest);
        let session = Session {
            number,
            user: user.name.clone(),
            password_hash: user.password_hash.clone(),
            until: Instant::now() + LIFETIME,
        };
        open.by_digest.insert(digest, session);
        text
    }

    /// The name of the user whose session this is. The caller compares with [`Sessions::holds`].
    pub fn user(&self, text: &str) -> Option<String> {
        let digest = digest_of(text);
        let mut open = self.lock();
        let session = open.by_digest.get(&digest)?.clone();
        if session.until <= Instant::now() {
            open.remove(&digest);
            return None;
        }
        Some(session.user)
    }

    /// Whether the session is of this user as they are now.
    pub fn holds(&self, text: &str, user: &UserRecord) -> bool {
        let open = self.lock();
        open.by_digest.get(&digest_of(text)).is_some_and(|session| {
            session.user == user.name && session.password_hash == user.password_hash
        })
    }

    /// Sessions that were opened and have not ended.
    pub fn count(&self) -> usize {
        self.lock().by_digest.len()
    }

    pub fn close(&self, text: &str) {
        self.lock().remove(&digest_of(text));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.lock().expect("no panic while held")
    }
}

impl Open {
    fn remove(&mut self, digest: &Digest) {
        if let Some(session) = self.by_digest.remove(digest) {
            self.by_age.remove(&session.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::records::UserRole;

    fn user(hash: &str) -> UserRecord {
        UserRecord { name: "admin".into(), role: UserRole::Admin, password_hash: hash.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself_by_its_user_and_with_the_password() {
        let sessions = Sessions::default();
        let text = sessions.open(&user("a"));
        assert_eq!(sessions.user(text.expose()).as_deref(), Some("admin"));
        assert!(sessions.holds(text.expose(), &user("a")));
        assert!(!sessions.holds(text.expose(), &user("b")), "the password is another");
        sessions.close(text.expose());
        assert!(sessions.user(text.expose()).is_none());
        let text = sessions.open(&user("a"));
        tokio::time::advance(LIFETIME).await;
        assert!(sessions.user(text.expose()).is_none());
        assert!(sessions.user("not a session").is_none());
    }

    #[tokio::test]
    async fn of_too_many_the_oldest_ends() {
        let sessions = Sessions::default();
        let first = sessions.open(&user("a"));
        let second = sessions.open(&user("a"));
        for _ in 1..MOST {
            sessions.open(&user("a"));
        }
        assert!(sessions.user(first.expose()).is_none());
        assert!(sessions.user(second.expose()).is_some());
    }
}
