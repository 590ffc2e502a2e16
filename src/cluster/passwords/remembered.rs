use std::{sync::Mutex, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tokio::time::Instant;

use super::Tag;
use crate::limits::{generations::Generations, source::Source};

/// How long a password that was right is not checked again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Most right passwords that are remembered at a time.
const MOST: usize = 2048;

/// Others that may be held against a right one before it is forgotten: comparing is quick, and
/// must not become the quick way to guess.
const MOST_OTHERS: u32 = 100;

struct Right {
    tag: Tag,
    until: Instant,
    others: u32,
}

/// Passwords that were right a short while ago, by the user and by where they came from: nobody
/// can hold a guess against what somebody elsewhere has said.
pub(super) struct Remembered(Mutex<Generations<(Source, String), Right>>);

impl Remembered {
    pub fn new() -> Self {
        Self(Mutex::new(Generations::new(MOST)))
    }

    pub fn holds(&self, from: Source, name: &str, tag: &Tag) -> bool {
        let key = (from, name.to_owned());
        let mut remembered = self.0.lock().expect("no panic while held");
        let Some(right) = remembered.get(&key) else { return false };
        if right.until > Instant::now() {
            if verify_slices_are_equal(&right.tag, tag).is_ok() {
                return true;
            }
            right.others += 1;
            if right.others < MOST_OTHERS {
                return false;
            }
        }
        remembered.remove(&key);
        false
    }

    pub fn insert(&self, from: Source, name: String, tag: Tag) {
        let right = || Right { tag, until: Instant::now() + REMEMBERED, others: 0 };
        let mut remembered = self.0.lock().expect("no panic while held");
        *remembered.get_or_insert((from, name), right) = right();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_right_password_is_remembered_for_a_while_where_it_came_from() {
        let remembered = Remembered::new();
        let [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|it| Source::of(it.into()));
        remembered.insert(here, "admin".into(), [1; 32]);
        assert!(remembered.holds(here, "admin", &[1; 32]));
        assert!(!remembered.holds(there, "admin", &[1; 32]));
        assert!(!remembered.holds(here, "readonly", &[1; 32]));
        tokio::time::advance(REMEMBERED).await;
        assert!(!remembered.holds(here, "admin", &[1; 32]));
    }

    #[tokio::test]
    async fn whoever_guesses_learns_little_from_what_is_remembered() {
        let remembered = Remembered::new();
        let here = Source::of([10, 0, 0, 1].into());
        remembered.insert(here, "admin".into(), [1; 32]);
        for _ in 0..MOST_OTHERS - 1 {
            assert!(!remembered.holds(here, "admin", &[2; 32]));
        }
        assert!(remembered.holds(here, "admin", &[1; 32]));
        assert!(!remembered.holds(here, "admin", &[2; 32]));
        assert!(!remembered.holds(here, "admin", &[1; 32]), "it has to be checked again");
    }
}
