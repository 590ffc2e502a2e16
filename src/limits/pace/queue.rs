use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::limits::{blame::Blame, source::Source};

/// How long until a handshake that was nobody's counts half against where it came from.
const HALVED_IN: Duration = Duration::from_secs(10);

/// Places that have something against them and are remembered.
const MOST_BLAMED: usize = 20_000;

/// Connections that wait for their handshake. The sources take turns by what counts against them:
/// handshakes that showed no host, of theirs and of their neighbours.
pub(super) struct Queue {
    most: usize,
    arrivals: u64,
    waiting: HashMap<Source, VecDeque<Waiting>>,
    blame: Blame,
}

struct Waiting {
    arrival: u64,
    turn: oneshot::Sender<()>,
}

impl Queue {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            arrivals: 0,
            waiting: HashMap::new(),
            blame: Blame::new(HALVED_IN, MOST_BLAMED),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A handshake has shown no host.
    pub fn blame(&mut self, source: Source) {
        self.blame.add(source);
    }

    /// A place in the queue. It ends without a turn if there are too many, and this one, or a later
    /// one of the source with most against it, has to go.
    pub fn add(&mut self, source: Source) -> oneshot::Receiver<()> {
        let (turn, comes) = oneshot::channel();
        self.arrivals += 1;
        let waiting = Waiting { arrival: self.arrivals, turn };
        self.waiting.entry(source).or_default().push_back(waiting);
        if self.waiting.values().map(VecDeque::len).sum::<usize>() > self.most {
            self.forget_who_left();
            if self.waiting.values().map(VecDeque::len).sum::<usize>() > self.most {
                self.turn_one_away();
            }
        }
        comes
    }

    /// Gives a turn to whoever has least against them, and came first; whether anybody took it.
    pub fn give(&mut self) -> bool {
        loop {
            let blame = &mut self.blame;
            let first = self.waiting.iter().filter_map(|(source, line)| {
                Some((blame.of(*source), line.front()?.arrival, *source))
            });
            let Some((.., source)) = first.min_by_key(|(against, arrival, _)| (*against, *arrival))
            else {
                return false;
            };
            // Whoever has gone leaves the turn to the next.
            if self.take(source, VecDeque::pop_front).is_some_and(|it| it.turn.send(()).is_ok()) {
                return true;
            }
        }
    }

    fn turn_one_away(&mut self) {
        let blame = &mut self.blame;
        let last = self
            .waiting
            .iter()
            .filter_map(|(source, line)| Some((blame.of(*source), line.back()?.arrival, *source)));
        if let Some((.., source)) = last.max_by_key(|(against, arrival, _)| (*against, *arrival)) {
            drop(self.take(source, VecDeque::pop_back));
        }
    }

    fn take(
        &mut self,
        source: Source,
        pop: fn(&mut VecDeque<Waiting>) -> Option<Waiting>,
    ) -> Option<Waiting> {
        let line = self.waiting.get_mut(&source)?;
        let taken = pop(line);
        if line.is_empty() {
            self.waiting.remove(&source);
        }
        taken
    }

    fn forget_who_left(&mut self) {
        self.waiting.retain(|_, line| {
            line.retain(|waiting| !waiting.turn.is_closed());
            !line.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([10, 0, last, 1].into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_asks_all_the_time_leaves_turns_to_others() {
        let mut queue = Queue::new(100);
        for _ in 0..5 {
            queue.blame(source(1));
        }
        let mut greedy: Vec<_> = (0..200).map(|_| queue.add(source(1))).collect();
        let mut fleet: Vec<_> = (0..50).map(|_| queue.add(source(2))).collect();
        for _ in 0..50 {
            assert!(queue.give());
        }
        assert!(fleet.iter_mut().all(|turn| turn.try_recv().is_ok()), "they all had their turn");
        assert!(greedy.iter_mut().all(|turn| turn.try_recv().is_err()));
        assert!(queue.give(), "what they leave is for the others");
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_latest_goes_and_a_turn_that_nobody_takes_is_the_next_ones() {
        let mut queue = Queue::new(2);
        let (first, mut second, third) =
            (queue.add(source(1)), queue.add(source(1)), queue.add(source(1)));
        assert!(third.await.is_err());
        drop(first);
        assert!(queue.give() && second.try_recv().is_ok());
        assert!(queue.is_empty() && !queue.give());
    }
}
