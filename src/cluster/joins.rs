use std::{sync::Mutex, time::Duration};

use crate::{
    limits::{allowance::Allowance, generations::Generations},
    model::TokenId,
};

/// Hosts that come with one token at once, and a second after that.
const AT_ONCE: f64 = 20_000.0;
const A_SECOND: f64 = 1.0;

/// Tokens that are remembered at a time.
const MOST_TOKENS: usize = 10_000;

/// And those with a limit, of whose uses more is known.
const MOST_LIMITED: usize = 1_000;

/// Hosts that come with a token: how many may, and which uses of one with a limit are taken.
pub struct Joins {
    allowance: Allowance<TokenId>,
    uses: Mutex<Generations<TokenId, Uses>>,
    /// The uses of one token are read at a time.
    pub reading: tokio::sync::Mutex<()>,
}

/// Those that are known to be taken. No use is given back, so what is known stays true, and others
/// may be taken too.
struct Uses(Vec<bool>);

/// A use of a token with a limit.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    Free(u32),
    /// All are taken.
    None,
    /// It has to be read which are taken.
    Unknown,
}

impl Default for Joins {
    fn default() -> Self {
        Self {
            allowance: Allowance::new(AT_ONCE, A_SECOND, MOST_TOKENS),
            uses: Mutex::new(Generations::new(MOST_LIMITED)),
            reading: tokio::sync::Mutex::default(),
        }
    }
}

impl Joins {
    /// A host comes with this token; how long until one may, if none may now.
    pub fn take(&self, token: TokenId) -> Result<(), Duration> {
        self.allowance.take(token)
    }

    /// A host that was counted did not get in.
    pub fn give_back(&self, token: TokenId) {
        self.allowance.give_back(token);
    }

    /// One of the uses that are not known to be taken. `random` is in `0.0..1.0`: many who come at
    /// once are not to want the same one.
    pub fn slot(&self, token: TokenId, random: f64) -> Slot {
        let mut uses = self.uses.lock().expect("no panic while held");
        let Some(Uses(taken)) = uses.get(&token) else { return Slot::Unknown };
        let mut free = (0..).zip(&*taken).filter(|(_, taken)| !**taken).map(|(slot, _)| slot);
        let Some(last) = free.clone().count().checked_sub(1) else { return Slot::None };
        let which = (random * (last + 1) as f64) as usize;
        free.nth(which.min(last)).map_or(Slot::None, Slot::Free)
    }

    /// These uses of a token with this limit are taken, and others may be.
    pub fn are_taken(&self, token: TokenId, limit: u32, slots: impl IntoIterator<Item = u32>) {
        let mut uses = self.uses.lock().expect("no panic while held");
        let Uses(taken) = uses.get_or_insert(token, || Uses(vec![false; limit as usize]));
        for slot in slots {
            if let Some(taken) = taken.get_mut(slot as usize) {
                *taken = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_that_is_not_known_to_be_taken_is_found_by_any_number_and_none_when_all_are() {
        let (joins, token) = (Joins::default(), TokenId(uuid::Uuid::from_u128(1)));
        assert_eq!(joins.slot(token, 0.5), Slot::Unknown);
        joins.are_taken(token, 4, [1, 7]);
        let found: Vec<Slot> =
            [0.0, 0.3, 0.4, 0.9, 1.0].iter().map(|random| joins.slot(token, *random)).collect();
        assert_eq!(found, [0, 0, 2, 3, 3].map(Slot::Free));
        joins.are_taken(token, 4, [0, 2, 3]);
        assert_eq!(joins.slot(token, 0.5), Slot::None);
    }
}
