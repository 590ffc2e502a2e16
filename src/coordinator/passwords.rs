use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use aws_lc_rs::{hmac, rand};
use tokio::{sync::Semaphore, time::Instant};

use super::records::UserRecord;
use crate::model::Secret;

/// Requests that may wait for the one slot in which passwords are checked.
const QUEUE: usize = 32;

/// How long a password that was right is not checked again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Most right passwords that are remembered at a time.
const MOST_REMEMBERED: usize = 1024;

/// Checks passwords, one at a time: the work is heavy on purpose, and must not be a way to
/// bring the coordinator down.
pub struct Passwords {
    slot: Semaphore,
    queue: Semaphore,
    /// Unknown users cost as much as known ones.
    nobody: String,
    key: hmac::Key,
    remembered: Mutex<HashMap<Vec<u8>, Instant>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("user and password do not match")]
    Wrong,
    #[error("too many passwords are being checked")]
    Busy,
}

/// The hash of a password, in the PHC string format.
pub fn hash(password: &Secret) -> String {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .expect("the default parameters are valid")
        .to_string()
}

/// A new password that nobody has to type often: 144 random bits.
pub fn generate() -> Secret {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = zeroize::Zeroizing::new([0; 18]);
    rand::fill(bytes.as_mut()).expect("the system's random numbers");
    Secret::new(URL_SAFE_NO_PAD.encode(*bytes))
}

impl Passwords {
    pub fn new() -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).expect("the system's random numbers");
        Self {
            slot: Semaphore::new(1),
            queue: Semaphore::new(QUEUE),
            nobody: hash(&generate()),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            remembered: Mutex::default(),
        }
    }

    /// Whether `password` is the one of `user`; `None` stands for a user there is not.
    pub async fn check(
        &self,
        user: Option<Arc<UserRecord>>,
        password: &Secret,
    ) -> Result<Arc<UserRecord>, PasswordError> {
        let hash = user.as_ref().map_or(&self.nobody, |user| &user.password_hash).clone();
        let tag = self.tag(&hash, password);
        if let Some(user) = &user
            && self.remembers(&tag)
        {
            return Ok(user.clone());
        }
        let _queued = self.queue.try_acquire().map_err(|_| PasswordError::Busy)?;
        let _slot = self.slot.acquire().await.map_err(|_| PasswordError::Busy)?;
        let password = password.clone();
        let right =
            tokio::task::spawn_blocking(move || verifies(&password, &hash)).await.unwrap_or(false);
        match user {
            Some(user) if right => {
                self.remember(tag);
                Ok(user)
            }
            _ => Err(PasswordError::Wrong),
        }
    }

    /// Stands for a password and the hash it was checked against, so that a changed password
    /// is not remembered.
    fn tag(&self, hash: &str, password: &Secret) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(hash.as_bytes());
        context.update(&[0]);
        context.update(password.expose().as_bytes());
        context.sign().as_ref().to_vec()
    }

    fn remembers(&self, tag: &[u8]) -> bool {
        let remembered = self.remembered.lock().expect("no panic while held");
        remembered.get(tag).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    fn remember(&self, tag: Vec<u8>) {
        let mut remembered = self.remembered.lock().expect("no panic while held");
        remembered.retain(|_, since| since.elapsed() < REMEMBERED);
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(tag, Instant::now());
        }
    }
}

fn verifies(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::records::UserRole;

    fn user(password: &str) -> Arc<UserRecord> {
        Arc::new(UserRecord {
            name: "admin".into(),
            role: UserRole::Admin,
            password_hash: hash(&Secret::new(password)),
        })
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_accepted() {
        let passwords = Passwords::new();
        let admin = user("right");
        for _ in 0..2 {
            assert!(passwords.check(Some(admin.clone()), &Secret::new("right")).await.is_ok());
        }
        let wrong = Err(PasswordError::Wrong);
        assert!(passwords.check(Some(admin), &Secret::new("wrong")).await.map(|_| ()) == wrong);
        assert!(passwords.check(None, &Secret::new("right")).await.map(|_| ()) == wrong);
    }

    #[tokio::test]
    async fn a_changed_password_is_not_remembered() {
        let passwords = Passwords::new();
        assert!(passwords.check(Some(user("old")), &Secret::new("old")).await.is_ok());
        assert!(passwords.check(Some(user("new")), &Secret::new("old")).await.is_err());
    }
}
