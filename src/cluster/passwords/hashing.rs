//! Argon2id, in memory that stays the same: the system's allocator would keep tens of MiB for each
//! thread that ever did the work.

use std::sync::Mutex;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::MOST_SLOTS;
use crate::model::Secret;

/// What was used, for the next ones: as many as there ever were at a time.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// The hash of a password, in the PHC string format.
pub fn hash(password: &Secret) -> String {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .expect("the default parameters are valid")
        .to_string()
}

pub fn verifies(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| matches(password, &hash) == Some(true))
}

/// `None` for a hash that is not one of Argon2.
fn matches(password: &Secret, hash: &PasswordHash) -> Option<bool> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let params = Params::try_from(hash).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let argon2 = Argon2::new(algorithm, version, params);
    let mut output = zeroize::Zeroizing::new(vec![0; expected.len()]);
    let mut blocks = lend(argon2.params().block_count());
    let password = password.expose().as_bytes();
    let computed = argon2.hash_password_into_with_memory(password, salt, &mut output, &mut blocks);
    take_back(blocks);
    computed.ok()?;
    Some(verify_slices_are_equal(&output, expected.as_bytes()).is_ok())
}

fn lend(blocks: usize) -> Vec<Block> {
    let kept = MEMORY.lock().expect("no panic while held").pop();
    let mut memory = kept.unwrap_or_default();
    memory.resize(blocks, Block::default());
    memory
}

fn take_back(mut memory: Vec<Block>) {
    // What it holds came of a password.
    memory.fill(Block::default());
    let mut kept = MEMORY.lock().expect("no panic while held");
    if kept.len() < MOST_SLOTS {
        kept.push(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_its_password_alone() {
        let hash = hash(&Secret::new("right"));
        for _ in 0..3 {
            assert!(verifies(&Secret::new("right"), &hash));
            assert!(!verifies(&Secret::new("wrong"), &hash));
        }
        assert!(!verifies(&Secret::new("right"), "not a hash"));
        assert!(!verifies(&Secret::new("right"), "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ"));
    }
}
