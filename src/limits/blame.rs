use std::{hash::Hash, time::Duration};

use tokio::time::Instant;

use super::{
    generations::Generations,
    source::{Network, Source},
};

/// What counts against places, each with its neighbours: an address of its own in a network from
/// which much has come is worth less than one where nothing has.
pub struct Blame {
    halved_in: Duration,
    sources: Generations<Source, Count>,
    networks: Generations<Network, Count>,
}

struct Count {
    count: f64,
    at: Instant,
}

impl Blame {
    /// What was done is worth half after `halved_in`. Of more than `most` places, those that did
    /// nothing lately are forgotten.
    pub fn new(halved_in: Duration, most: usize) -> Self {
        Self { halved_in, sources: Generations::new(most), networks: Generations::new(most) }
    }

    pub fn add(&mut self, source: Source) {
        let halved_in = self.halved_in;
        add(&mut self.sources, source, halved_in);
        add(&mut self.networks, source.network(), halved_in);
    }

    /// How far back a place stands: one more for each doubling of what counts against it, and
    /// against its network.
    pub fn of(&mut self, source: Source) -> u32 {
        let halved_in = self.halved_in;
        of(&mut self.sources, &source, halved_in)
            + of(&mut self.networks, &source.network(), halved_in)
    }
}

fn add<K: Eq + Hash>(counts: &mut Generations<K, Count>, key: K, halved_in: Duration) {
    let new = || Count { count: 0.0, at: Instant::now() };
    let count = counts.get_or_insert(key, new);
    *count = Count { count: count.now(halved_in) + 1.0, at: Instant::now() };
}

fn of<K: Eq + Hash>(counts: &mut Generations<K, Count>, key: &K, halved_in: Duration) -> u32 {
    let count = counts.get(key).map_or(0.0, |count| count.now(halved_in));
    // A single one that is fading still counts.
    (count + 1.0).log2().ceil() as u32
}

impl Count {
    fn now(&self, halved_in: Duration) -> f64 {
        const NOTHING: f64 = 0.25;
        let halvings = self.at.elapsed().as_secs_f64() / halved_in.as_secs_f64();
        let now = self.count * (-halvings).exp2();
        if now < NOTHING { 0.0 } else { now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: [u8; 4]) -> Source {
        Source::of(address.into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_counts_against_a_place_and_its_neighbours_and_fades() {
        let mut blame = Blame::new(Duration::from_secs(10), 100);
        let [here, beside, elsewhere] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 1, 1]].map(source);
        let ranks = |blame: &mut Blame| [here, beside, elsewhere].map(|it| blame.of(it));
        assert_eq!(ranks(&mut blame), [0, 0, 0]);
        blame.add(here);
        assert_eq!(ranks(&mut blame), [2, 1, 0]);
        for _ in 0..30 {
            blame.add(here);
        }
        assert_eq!(ranks(&mut blame), [10, 5, 0]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(ranks(&mut blame), [10, 5, 0], "15.5 of 31");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(ranks(&mut blame), [8, 4, 0]);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(ranks(&mut blame), [0, 0, 0]);
    }
}
