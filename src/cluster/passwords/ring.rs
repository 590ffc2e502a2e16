use std::{cmp::Reverse, collections::BTreeMap};

use super::party::Party;

/// What counts against a party, and how often it was turned away.
pub(super) type Rank = (u32, Reverse<u32>);

/// Parties that take turns by their rank, and of the same rank by when they came.
pub(super) struct Ring {
    most: usize,
    arrivals: u64,
    parties: BTreeMap<(Rank, u64), Party>,
}

impl Ring {
    pub fn new(most: usize) -> Self {
        Self { most, arrivals: 0, parties: BTreeMap::new() }
    }

    /// Adds a party; gives back the last of all if they are too many.
    pub fn push(&mut self, rank: Rank, party: Party) -> Option<Party> {
        self.arrivals += 1;
        self.parties.insert((rank, self.arrivals), party);
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
