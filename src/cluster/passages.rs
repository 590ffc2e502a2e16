//! When hosts were lost and came back, in memory; `owners.rs` keeps it in the store.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use super::records::Passage;
use crate::{model::RunnerId, rt::Timestamp};

/// Times that are kept of one host.
const MOST: usize = 16;

#[derive(Default)]
pub struct Passages(Mutex<Known>);

#[derive(Default)]
struct Known {
    of: HashMap<RunnerId, Vec<Passage>>,
    /// Hosts that were removed, whose records are still there.
    removed: HashSet<RunnerId>,
}

impl Passages {
    /// All that is known of a host, the latest last.
    pub fn of(&self, runner: &RunnerId) -> Vec<Passage> {
        self.lock().of.get(runner).cloned().unwrap_or_default()
    }

    /// Since when a host that is not connected is lost; `None` if it has not been there since
    /// `joined`.
    pub fn lost_at(&self, runner: &RunnerId, joined: Timestamp) -> Option<Timestamp> {
        let known = self.lock();
        let last = known.of.get(runner)?.last()?;
        (!last.connected && last.at >= joined).then_some(last.at)
    }

    /// What is known of a host once it has come or gone; `None` if that is nothing new.
    pub(super) fn after(&self, runner: &RunnerId, passage: Passage) -> Option<Vec<Passage>> {
        let mut passages = self.of(runner);
        if passages.last().is_some_and(|last| last.connected == passage.connected) {
            return None;
        }
        passages.push(passage);
        let over = passages.len().saturating_sub(MOST);
        Some(passages.split_off(over))
    }

    pub(super) fn set(&self, runner: RunnerId, passages: Vec<Passage>) {
        self.lock().of.insert(runner, passages);
    }

    /// The host is no member any more.
    pub fn removed(&self, runner: &RunnerId) {
        let mut known = self.lock();
        known.of.remove(runner);
        known.removed.insert(runner.clone());
    }

    pub(super) fn take_removed(&self) -> HashSet<RunnerId> {
        std::mem::take(&mut self.lock().removed)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("no panic while held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_kept_and_only_the_latest_of_them() {
        let passages = Passages::default();
        let runner: RunnerId = "10.0.0.7".parse().expect("an id");
        let at = |second| Timestamp::from_unix_seconds(second);
        for second in 0..98 {
            let passage = Passage { at: at(second), connected: second / 2 % 2 == 0 };
            if let Some(after) = passages.after(&runner, passage) {
                passages.set(runner.clone(), after);
            }
        }
        let known = passages.of(&runner);
        assert_eq!(known.len(), MOST);
        assert!(known.windows(2).all(|two| two[0].connected != two[1].connected));
        assert_eq!(passages.lost_at(&runner, at(0)), None, "it is there");
        passages.set(runner.clone(), known[..MOST - 1].to_vec());
        assert_eq!(passages.lost_at(&runner, at(0)), Some(at(94)));
        assert_eq!(passages.lost_at(&runner, at(95)), None, "that was another host");
        passages.removed(&runner);
        assert_eq!(passages.of(&runner), []);
    }
}
