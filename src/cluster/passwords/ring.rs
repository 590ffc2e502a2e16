use std::collections::BTreeMap;

use super::turns::Party;

/// Parties that take turns: those against whom less counts go first, and of them whoever came first.
pub(super) struct Ring {
    most: usize,
    arrivals: u64,
    parties: BTreeMap<(u32, u64), Party>,
}

impl Ring {
    pub fn new(most: usize) -> Self {
        Self { most, arrivals: 0, parties: BTreeMap::new() }
    }

    /// Adds a party; gives back the last of all if they are too many.
    pub fn push(&mut self, against: u32, party: Party) -> Option<Party> {
        self.arrivals += 1;
        self.parties.insert((against, self.arrivals), party);
        if self.parties.len() <= self.most {
            return None;
        }
        self.parties.pop_last().map(|(_, last)| last)
    }

    pub fn pop(&mut self) -> Option<Party> {
        self.parties.pop_first().map(|(_, first)| first)
    }

    pub fn is_full(&self) -> bool {
        self.parties.len() >= self.most
    }

    pub fn retain(&mut self, mut stays: impl FnMut(&Party) -> bool) {
        self.parties.retain(|_, party| stays(party));
    }
}
