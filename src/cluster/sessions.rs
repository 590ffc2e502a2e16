//! Bearer tokens: short-lived sessions of users, in memory. A restart of the coordinator ends
//! them; whoever had one logs in again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
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

/// Sessions of one user, opened in one way. Command-line clients log in for every command and never log out: of too
/// many the user's oldest ends, and nobody else's.
const MOST_OF_A_USER: usize = 4096;

/// Sessions of all users. Of too many the oldest ends of whoever has most.
const MOST: usize = 65_536;

type Digest = [u8; 32];

#[derive(Default)]
pub struct Sessions(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    by_digest: HashMap<Digest, Session>,
    /// By user and way, in the order in which they were opened, which is that in which they end.
    by_age: HashMap<(String, Way), BTreeMap<u64, Digest>>,
}

/// How a session was opened. Those of one way leave those of the other their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    Api,
    /// The daemon's socket, where each call of a verb opens one.
    Socket,
}

#[derive(Clone)]
struct Session {
    number: u64,
    user: String,
    way: Way,
    /// The hash of the password that it was opened with: another password ends it.
    password_hash: String,
    until: Instant,
}

/// One that was open, and may end.
#[derive(Clone)]
pub struct OpenSession {
    sessions: Arc<Sessions>,
    digest: Digest,
}

impl OpenSession {
    pub fn is_open(&self) -> bool {
        let open = self.sessions.lock();
        open.by_digest.get(&self.digest).is_some_and(|session| Instant::now() < session.until)
    }
}

fn digest_of(text: &str) -> Digest {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl Sessions {
    /// Opens a session; the text is nowhere else.
    pub fn open(&self, user: &UserRecord, way: Way) -> Secret {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut()).expect("the system's random numbers");
        let text = Secret::new(URL_SAFE_NO_PAD.encode(*bytes));
        let digest = digest_of(text.expose());
        let mut open = self.lock();
        let holder = (user.name.clone(), way);
        open.make_room(&holder);
        open.make_room_for_all();
        let number = open.next;
        open.next += 1;
        open.by_age.entry(holder).or_default().insert(number, digest);
        let session = Session {
            number,
            user: user.name.clone(),
            way,
            password_hash: user.password_hash.clone(),
            until: Instant::now() + LIFETIME,
        };
        open.by_digest.insert(digest, session);
        text
    }

    /// The session, for as long as it is open.
    pub fn open_session(self: &Arc<Self>, text: &str) -> OpenSession {
        OpenSession { sessions: self.clone(), digest: digest_of(text) }
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

    /// Ends all sessions of a user.
    pub fn end_all_of(&self, user: &str) {
        let mut open = self.lock();
        for way in [Way::Api, Way::Socket] {
            let of_user = open.by_age.remove(&(user.to_owned(), way));
            for digest in of_user.unwrap_or_default().values() {
                open.by_digest.remove(digest);
            }
        }
    }

    /// Ends the sessions of all users.
    pub fn end_all(&self) {
        let mut open = self.lock();
        open.by_digest.clear();
        open.by_age.clear();
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
        let Some(session) = self.by_digest.remove(digest) else { return };
        let holder = (session.user, session.way);
        if let Some(of_user) = self.by_age.get_mut(&holder) {
            of_user.remove(&session.number);
            if of_user.is_empty() {
                self.by_age.remove(&holder);
            }
        }
    }

    /// Forgets the user's sessions that are over, and the oldest of too many.
    fn make_room(&mut self, holder: &(String, Way)) {
        let Some(of_user) = self.by_age.get_mut(holder) else { return };
        let now = Instant::now();
        while let Some((_, oldest)) = of_user.first_key_value()
            && (of_user.len() >= MOST_OF_A_USER
                || self.by_digest.get(oldest).is_none_or(|session| session.until <= now))
        {
            self.by_digest.remove(oldest);
            of_user.pop_first();
        }
    }

    fn make_room_for_all(&mut self) {
        if self.by_digest.len() < MOST {
            return;
        }
        let most = self.by_age.values_mut().max_by_key(|of_user| of_user.len());
        if let Some((_, oldest)) = most.and_then(BTreeMap::pop_first) {
            self.by_digest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::UserRole;

    fn user(hash: &str) -> UserRecord {
        UserRecord::new("admin", [UserRole::PlatformAdmin], hash)
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself_by_its_user_and_with_the_password() {
        let sessions = Sessions::default();
        let text = sessions.open(&user("a"), Way::Api);
        assert_eq!(sessions.user(text.expose()).as_deref(), Some("admin"));
        assert!(sessions.holds(text.expose(), &user("a")));
        assert!(!sessions.holds(text.expose(), &user("b")), "the password is another");
        sessions.close(text.expose());
        assert!(sessions.user(text.expose()).is_none());
        let text = sessions.open(&user("a"), Way::Api);
        tokio::time::advance(LIFETIME).await;
        assert!(sessions.user(text.expose()).is_none());
        assert!(sessions.user("not a session").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_users_oldest_ends_and_nobody_elses() {
        let sessions = Sessions::default();
        let readonly = UserRecord::new("readonly", [UserRole::PlatformViewer], "a");
        let admins = sessions.open(&user("a"), Way::Api);
        let first = sessions.open(&readonly, Way::Api);
        let second = sessions.open(&readonly, Way::Api);
        for _ in 1..MOST_OF_A_USER {
            sessions.open(&readonly, Way::Api);
        }
        assert!(sessions.user(first.expose()).is_none());
        assert!(sessions.user(second.expose()).is_some());
        for _ in 0..70_000 {
            sessions.open(&readonly, Way::Api);
        }
        assert!(sessions.user(admins.expose()).is_some());
        assert_eq!(sessions.count(), MOST_OF_A_USER + 1);

        tokio::time::advance(LIFETIME).await;
        sessions.open(&readonly, Way::Api);
        assert_eq!(sessions.count(), 2, "those that are over make room");
    }

    #[tokio::test(start_paused = true)]
    async fn verbs_on_the_first_host_end_no_session_that_was_opened_at_the_api() {
        let sessions = Sessions::default();
        let browsers = sessions.open(&user("a"), Way::Api);
        let first = sessions.open(&user("a"), Way::Socket);
        for _ in 0..MOST_OF_A_USER {
            sessions.open(&user("a"), Way::Socket);
        }
        assert!(sessions.user(browsers.expose()).is_some());
        assert!(sessions.user(first.expose()).is_none(), "they are bounded themselves");
        sessions.end_all_of("admin");
        assert_eq!(sessions.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_in_all_the_oldest_ends_of_whoever_has_most() {
        let sessions = Sessions::default();
        let admins = sessions.open(&user("a"), Way::Api);
        for number in 0..2 * MOST / MOST_OF_A_USER {
            let greedy = UserRecord::new(format!("user-{number}"), [], "a");
            for _ in 0..MOST_OF_A_USER {
                sessions.open(&greedy, Way::Api);
            }
        }
        assert_eq!(sessions.count(), MOST);
        assert!(sessions.user(admins.expose()).is_some());
    }
}
