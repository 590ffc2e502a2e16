//! Passwords: made, hashed and checked. The work is heavy on purpose, and must not be a way to
//! bring the coordinator down or to keep others out.

mod failures;
mod hashing;
mod party;
mod remembered;
mod ring;
mod turns;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard},
    thread::available_parallelism,
};

use aws_lc_rs::{hmac, rand};
use tokio::sync::{oneshot, watch};

pub use self::{hashing::hash, party::Party, turns::Busy};
use self::{
    hashing::verifies,
    remembered::Remembered,
    turns::{Turn, Turns},
};
use super::records::UserRecord;
use crate::{limits::source::Source, model::Secret};

/// Passwords that are worked on at a time: half of the processors, and 19 MiB of memory each.
const MOST_SLOTS: usize = 4;

/// Stands for a password, whose it was said to be, where that was said, and the hash it was held
/// against, so that a changed password is another.
type Tag = [u8; 32];

/// Whether a password is the one that a hash was made of.
pub type Verify = dyn Fn(&Secret, &str) -> bool + Send + Sync;

type Answer = Option<Result<(), PasswordError>>;

/// Checks passwords.
pub struct Passwords(Arc<Inner>);

struct Inner {
    turns: Arc<Turns>,
    remembered: Remembered,
    /// Checks that wait or run. Whoever says the same once more waits for the same answer.
    checks: Mutex<HashMap<Tag, watch::Sender<Answer>>>,
    key: hmac::Key,
    /// Unknown users cost as much as known ones.
    nobody: String,
    verify: Box<Verify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("user and password do not match")]
    Wrong,
    #[error("too many passwords are being checked")]
    Busy,
}

impl From<Busy> for PasswordError {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

/// What somebody says who they are.
struct Attempt {
    from: Source,
    name: String,
    user: Option<Arc<UserRecord>>,
    password: Secret,
    tag: Tag,
}

/// A new password that nobody has to type often: 144 random bits.
pub fn generate() -> Secret {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = zeroize::Zeroizing::new([0; 18]);
    rand::fill(bytes.as_mut()).expect("the system's random numbers");
    Secret::new(URL_SAFE_NO_PAD.encode(*bytes))
}

impl Default for Passwords {
    fn default() -> Self {
        let slots = available_parallelism().map_or(1, |cores| cores.get() / 2);
        Self::with(slots.clamp(1, MOST_SLOTS), Box::new(verifies))
    }
}

impl Passwords {
    pub fn with(slots: usize, verify: Box<Verify>) -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).expect("the system's random numbers");
        Self(Arc::new(Inner {
            turns: Turns::new(slots),
            remembered: Remembered::new(),
            checks: Mutex::default(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            nobody: hash(&generate()),
            verify,
        }))
    }

    /// Whether `password` was found to be the one of `user` a short while ago, from there. This
    /// costs next to nothing.
    pub fn remembers(&self, from: Source, user: &UserRecord, password: &Secret) -> bool {
        let tag = self.0.tag(from, &user.name, &user.password_hash, password);
        self.0.remembered.holds(from, &user.name, &tag)
    }

    /// Whether `password` is the one of `user`, who is said to be `name`; `None` stands for a user
    /// there is not. `Busy` is told at once, and to that address alone unless the whole
    /// coordinator has too many of them.
    pub async fn check(
        &self,
        from: Source,
        name: &str,
        user: Option<Arc<UserRecord>>,
        password: &Secret,
    ) -> Result<Arc<UserRecord>, PasswordError> {
        let tag = self.0.tag(from, name, self.0.hash_of(user.as_deref()), password);
        let (name, password) = (name.to_owned(), password.clone());
        let attempt = Attempt { from, name, user: user.clone(), password, tag };
        let mut answer = self.0.clone().begin(attempt)?;
        let answer = answer.wait_for(Option::is_some).await;
        match answer.ok().and_then(|answer| *answer) {
            Some(Ok(())) => user.ok_or(PasswordError::Wrong),
            Some(Err(error)) => Err(error),
            None => Err(PasswordError::Busy),
        }
    }

    /// The hash of a new password, made when it is the party's turn.
    pub async fn hash(&self, party: Party, password: &Secret) -> Result<String, Busy> {
        let turn = self.0.turns.queue(party, "")?.await.map_err(|_| Busy)?;
        let password = password.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            let hash = hash(&password);
            drop(turn);
            hash
        });
        Ok(hashing.await.expect("hashing does not panic"))
    }
}

impl Inner {
    fn hash_of<'a>(&'a self, user: Option<&'a UserRecord>) -> &'a str {
        user.map_or(&self.nobody, |user| &user.password_hash)
    }

    fn tag(&self, from: Source, name: &str, hash: &str, password: &Secret) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        let from = from.to_string();
        for part in [&from, name, hash, password.expose()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    /// Takes a place in the queue, or that of the same attempt.
    fn begin(self: Arc<Self>, attempt: Attempt) -> Result<watch::Receiver<Answer>, PasswordError> {
        let mut checks = self.lock();
        match checks.entry(attempt.tag) {
            Entry::Occupied(same) => Ok(same.get().subscribe()),
            Entry::Vacant(entry) => {
                let party = Party::Address(attempt.from);
                let turn = self.turns.queue(party, &attempt.name)?;
                let (tell, answer) = watch::channel(None);
                entry.insert(tell.clone());
                tokio::spawn(self.clone().carry_out(attempt, turn, tell));
                Ok(answer)
            }
        }
    }

    /// Waits for its turn as long as somebody waits for the answer, and then works to the end.
    async fn carry_out(
        self: Arc<Self>,
        attempt: Attempt,
        mut turn: oneshot::Receiver<Turn>,
        tell: watch::Sender<Answer>,
    ) {
        let turn = loop {
            tokio::select! {
                turn = &mut turn => break turn,
                () = tell.closed() => {
                    let mut checks = self.lock();
                    if tell.receiver_count() == 0 {
                        checks.remove(&attempt.tag);
                        return;
                    }
                }
            }
        };
        let Attempt { from, name, user, password, tag } = attempt;
        let answer = match turn {
            Ok(turn) => self.clone().work(turn, user.clone(), password).await,
            Err(_) => Err(PasswordError::Busy),
        };
        if answer.is_ok() {
            self.remembered.insert(from, name, tag);
        }
        self.lock().remove(&tag);
        tell.send_replace(Some(answer));
    }

    async fn work(
        self: Arc<Self>,
        turn: Turn,
        user: Option<Arc<UserRecord>>,
        password: Secret,
    ) -> Result<(), PasswordError> {
        let working = tokio::task::spawn_blocking(move || {
            let right = (self.verify)(&password, self.hash_of(user.as_deref())) && user.is_some();
            turn.end(right);
            right
        });
        match working.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PasswordError::Wrong),
            Err(error) => {
                tracing::error!(%error, "a password was not checked: {error}");
                Err(PasswordError::Busy)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tag, watch::Sender<Answer>>> {
        self.checks.lock().expect("no panic while held")
    }
}

#[cfg(test)]
mod tests;
