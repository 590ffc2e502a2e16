//! Who may use the processor next: parties take turns, and each works on one thing at a time.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{
    failures::Failures,
    party::Party,
    ring::{Rank, Ring},
};
use crate::limits::{blame::Blame, generations::Generations, source::Source};

/// Parties that may wait for one slot: a second's work. As many again of those that have been right
/// before.
pub(super) const MOST_PARTIES: usize = 32;

/// Parties that may wait because they guess; twice as many with those that have been right before.
const MOST_RESTING: usize = 256;

/// How long until a wrong password counts half against an address and its network.
const BLAME_HALVED_IN: Duration = Duration::from_secs(60);

/// Addresses that have something against them and are remembered.
const MOST_BLAMED: usize = 20_000;

/// Whoever comes again so soon after being turned away was told to wait longer.
const AT_ONCE: Duration = Duration::from_millis(900);

/// Names of users that may be tried from one address at a time.
const MOST_NAMES: usize = 8;

/// Attempts that may wait for one name at one address.
pub(super) const MOST_WAITING: usize = 4;

/// Parties that are remembered to have been right.
const MOST_RIGHT: usize = 8192;

/// Too much waits already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

pub(super) struct Turns {
    slots: usize,
    names: RandomState,
    state: Mutex<State>,
}

struct State {
    running: usize,
    lines: HashMap<Party, Line>,
    /// Parties with a line that can go on.
    right_before: Ring,
    others: Ring,
    others_next: bool,
    /// Parties with a line that waits for the party's wait to be over.
    resting: usize,
    blame: Blame,
    /// Addresses for which there was no place, and which have not had a turn since.
    turned_away: Generations<Source, TurnedAway>,
    right: Generations<Party, ()>,
    failures: Failures,
}

struct TurnedAway {
    times: u32,
    at: Instant,
}

/// What waits from one party. The names take turns too: whoever shares an address with somebody
/// who guesses another's password gets in after a few of the guesses. Names are kept as numbers,
/// known and unknown ones alike.
#[derive(Default)]
struct Line {
    names: VecDeque<(u64, VecDeque<oneshot::Sender<Turn>>)>,
}

/// One slot, until it is dropped: it goes with the work, not with whoever waits for its result.
pub(super) struct Turn {
    turns: Arc<Turns>,
    party: Party,
    right: Option<bool>,
}

impl Turns {
    pub fn new(slots: usize) -> Arc<Self> {
        let state = State {
            running: 0,
            lines: HashMap::new(),
            right_before: Ring::new(MOST_PARTIES * slots),
            others: Ring::new(MOST_PARTIES * slots),
            others_next: false,
            resting: 0,
            blame: Blame::new(BLAME_HALVED_IN, MOST_BLAMED),
            turned_away: Generations::new(MOST_BLAMED),
            right: Generations::new(MOST_RIGHT),
            failures: Failures::new(),
        };
        Arc::new(Self { slots, names: RandomState::new(), state: Mutex::new(state) })
    }

    /// Queues up. Whoever drops what this gives has left the queue; where there is no place, or
    /// somebody with less against them needs it, no turn comes.
    pub fn queue(
        self: &Arc<Self>,
        party: Party,
        name: &str,
    ) -> Result<oneshot::Receiver<Turn>, Busy> {
        let name = self.names.hash_one(name);
        let (waiting, turn) = oneshot::channel();
        let wake = {
            let mut state = self.lock();
            if let Some(line) = state.lines.get_mut(&party) {
                if line.add(name, waiting).is_err() {
                    state.blame_for(&party);
                    return Err(Busy);
                }
                None
            } else {
                let mut line = Line::default();
                line.add(name, waiting)?;
                state.came_again(&party);
                state.lines.insert(party.clone(), line);
                state.line_up(party.clone())
            }
        };
        self.wake(party, wake);
        self.give();
        Ok(turn)
    }

    /// Gives the free slots to those whose turn it is.
    fn give(self: &Arc<Self>) {
        loop {
            let Some((party, waiting)) = self.lock().next(self.slots) else { return };
            // Whoever has just left drops the turn, which gives it to the next.
            let _ = waiting.send(Turn { turns: self.clone(), party, right: None });
        }
    }

    fn ended(self: &Arc<Self>, party: Party, right: Option<bool>) {
        let wake = {
            let mut state = self.lock();
            state.running -= 1;
            match right {
                Some(true) => {
                    state.right.get_or_insert(party.clone(), || ());
                }
                Some(false) => state.failed(&party),
                None => {}
            }
            state.line_up(party.clone())
        };
        self.wake(party, wake);
        self.give();
    }

    /// Puts a party back in line when its wait is over.
    fn wake(self: &Arc<Self>, party: Party, at: Option<Instant>) {
        // Without a runtime the process is ending.
        let (Some(at), Ok(runtime)) = (at, Handle::try_current()) else { return };
        let turns = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep_until(at).await;
            let again = {
                let mut state = turns.lock();
                state.resting -= 1;
                state.line_up(party.clone())
            };
            turns.wake(party, again);
            turns.give();
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl State {
    fn was_right(&mut self, party: &Party) -> bool {
        matches!(party, Party::Known(_)) || self.right.get(party).is_some()
    }

    fn failed(&mut self, party: &Party) {
        self.failures.failed(party.clone());
        self.blame_for(party);
    }

    fn turn_away(&mut self, party: &Party) {
        self.lines.remove(party);
        let Party::Address(source) = party else { return };
        let now = Instant::now();
        let entry = self.turned_away.get_or_insert(*source, || TurnedAway { times: 0, at: now });
        *entry = TurnedAway { times: entry.times.saturating_add(1), at: now };
    }

    /// Whoever comes again at once goes after those who come for the first time.
    fn came_again(&mut self, party: &Party) {
        let Party::Address(source) = party else { return };
        let at_once = |away: &mut TurnedAway| away.at.elapsed() < AT_ONCE;
        if self.turned_away.get(source).is_some_and(at_once) {
            self.turned_away.remove(source);
            self.blame.add(*source);
        }
    }

    /// Those with less against them go first, and of them those who were turned away most often: who
    /// comes again as they were told gets in, however many others come for the first time.
    fn rank(&mut self, party: &Party) -> Rank {
        let Party::Address(source) = party else { return Rank::default() };
        let away = self.turned_away.get(source).map_or(0, |away| away.times);
        (self.blame.of(*source), Reverse(away))
    }

    fn blame_for(&mut self, party: &Party) {
        if let Party::Address(source) = party {
            self.blame.add(*source);
        }
    }

    /// Puts a party into its ring, or says until when it has to wait. Of too many, those with most
    /// against them lose their line.
    fn line_up(&mut self, party: Party) -> Option<Instant> {
        let line = self.lines.get_mut(&party)?;
        if !line.somebody_waits() {
            self.lines.remove(&party);
            return None;
        }
        let was_right = self.was_right(&party);
        if let Some(until) = self.failures.wait_until(&party) {
            if self.resting >= if was_right { 2 * MOST_RESTING } else { MOST_RESTING } {
                self.turn_away(&party);
                return None;
            }
            self.resting += 1;
            return Some(until);
        }
        let rank = self.rank(&party);
        let (ring, lines) = match was_right {
            true => (&mut self.right_before, &mut self.lines),
            false => (&mut self.others, &mut self.lines),
        };
        if ring.is_full() {
            ring.retain(|party| {
                let waits = lines.get_mut(party).is_some_and(Line::somebody_waits);
                if !waits {
                    lines.remove(party);
                }
                waits
            });
        }
        if let Some(last) = ring.push(rank, party) {
            self.turn_away(&last);
        }
        None
    }

    /// Whose turn it is. However many strangers there are, every second turn is for those who have
    /// been right before.
    fn next(&mut self, slots: usize) -> Option<(Party, oneshot::Sender<Turn>)> {
        if self.running >= slots {
            return None;
        }
        loop {
            let (first, second) = match self.others_next {
                true => (&mut self.others, &mut self.right_before),
                false => (&mut self.right_before, &mut self.others),
            };
            let party = first.pop().or_else(|| second.pop())?;
            let Some(line) = self.lines.get_mut(&party) else { continue };
            let Some(waiting) = line.next() else {
                self.lines.remove(&party);
                continue;
            };
            self.running += 1;
            if let Party::Address(source) = &party {
                self.turned_away.remove(source);
            }
            self.others_next = !self.others_next;
            return Some((party, waiting));
        }
    }
}

impl Line {
    fn add(&mut self, name: u64, waiting: oneshot::Sender<Turn>) -> Result<(), Busy> {
        self.forget_who_left();
        let names = self.names.len();
        match self.names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, queue)) if queue.len() < MOST_WAITING => queue.push_back(waiting),
            None if names < MOST_NAMES => self.names.push_back((name, [waiting].into())),
            Some(_) | None => return Err(Busy),
        }
        Ok(())
    }

    fn somebody_waits(&mut self) -> bool {
        self.forget_who_left();
        !self.names.is_empty()
    }

    fn forget_who_left(&mut self) {
        for (_, queue) in &mut self.names {
            queue.retain(|waiting| !waiting.is_closed());
        }
        self.names.retain(|(_, queue)| !queue.is_empty());
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        self.forget_who_left();
        let (name, mut queue) = self.names.pop_front()?;
        let waiting = queue.pop_front()?;
        if !queue.is_empty() {
            self.names.push_back((name, queue));
        }
        Some(waiting)
    }
}

impl Turn {
    /// What the work has shown: whether the password was right.
    pub fn end(mut self, right: bool) {
        self.right = Some(right);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.ended(self.party.clone(), self.right);
    }
}

#[cfg(test)]
mod tests;
