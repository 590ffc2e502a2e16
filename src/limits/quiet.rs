//! Log lines that others can cause at will: the first ones of each place in full, then few.

use std::{collections::BTreeMap, net::IpAddr, sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::{
    allowance::{Left, Rate},
    source::Source,
};

/// Lines about one place that are all written;
const FIRST: u32 = 5;

/// after them, one in this time.
const INTERVAL: Duration = Duration::from_secs(10);

/// A place that caused nothing for this long is new again.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Places that are remembered at a time.
const MOST_PLACES: usize = 4096;

/// Lines about all places together: so many at first, and then one a second, which is what a log may
/// grow by for as long as they want.
const OF_ALL: Rate = Rate { at_once: AT_ONCE, per_second: 1.0 };
const AT_ONCE: f64 = 100.0;

/// Decides which lines about one kind of event are written.
pub struct Quiet(Mutex<State>);

struct State {
    places: BTreeMap<Source, Place>,
    /// `None` before the first line.
    left: Option<Left>,
    /// Lines that were left out and belong to no place that is remembered.
    lost: u64,
    forgot_at: Option<Instant>,
}

struct Place {
    told: u32,
    left_out: u64,
    told_at: Instant,
    seen_at: Instant,
}

impl Default for Quiet {
    fn default() -> Self {
        Self::new()
    }
}

impl Quiet {
    pub const fn new() -> Self {
        Self(Mutex::new(State { places: BTreeMap::new(), left: None, lost: 0, forgot_at: None }))
    }

    /// Whether to write a line about something that came from `address`; if so, how many lines
    /// were left out before it.
    pub fn may_tell(&self, address: IpAddr) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.lock().expect("no panic while held");
        let state = &mut *state;
        let source = Source::of(address);
        let place = state.place(source, now);
        let due = place.is_none_or(|place| {
            place.seen_at = now;
            place.told < FIRST || now.duration_since(place.told_at) >= INTERVAL
        });
        let may = due && state.takes_one();
        let Some(place) = state.places.get_mut(&source) else {
            state.lost += u64::from(!may);
            return may.then(|| std::mem::take(&mut state.lost));
        };
        if !may {
            place.left_out += 1;
            return None;
        }
        place.told += 1;
        place.told_at = now;
        Some(std::mem::take(&mut place.left_out) + std::mem::take(&mut state.lost))
    }
}

impl State {
    /// What is remembered of a place; `None` if there is no room to remember more.
    fn place(&mut self, source: Source, now: Instant) -> Option<&mut Place> {
        if self.places.len() >= MOST_PLACES && !self.places.contains_key(&source) {
            self.forget(now);
            if self.places.len() >= MOST_PLACES {
                return None;
            }
        }
        let place = self.places.entry(source).or_insert(Place {
            told: 0,
            left_out: 0,
            told_at: now,
            seen_at: now,
        });
        if now.duration_since(place.seen_at) >= FORGOTTEN {
            place.told = 0;
        }
        Some(place)
    }

    fn forget(&mut self, now: Instant) {
        // Looking at all of them each time would cost more than the lines.
        if self.forgot_at.is_some_and(|at| now.duration_since(at) < INTERVAL) {
            return;
        }
        self.forgot_at = Some(now);
        let lost = &mut self.lost;
        self.places.retain(|_, place| {
            let stays = now.duration_since(place.seen_at) < FORGOTTEN;
            *lost += if stays { 0 } else { place.left_out };
            stays
        });
    }

    fn takes_one(&mut self) -> bool {
        OF_ALL.take(self.left.get_or_insert_with(|| OF_ALL.all())).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_lines_of_a_place_are_written_and_then_one_an_interval_with_a_count() {
        let quiet = Quiet::new();
        let told: Vec<_> = (0..100).filter_map(|_| quiet.may_tell(address(1))).collect();
        assert_eq!(told, [0; FIRST as usize]);
        assert_eq!(quiet.may_tell(address(2)), Some(0), "another place");
        tokio::time::advance(INTERVAL).await;
        assert_eq!(quiet.may_tell(address(1)), Some(95));
        assert_eq!(quiet.may_tell(address(1)), None);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(quiet.may_tell(address(1)), Some(1));
        assert_eq!(quiet.may_tell(address(1)), Some(0), "it is new again");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_are_one_place() {
        let quiet = Quiet::new();
        let from = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let told = (0..100).filter(|last| quiet.may_tell(from(*last)).is_some()).count();
        assert_eq!(told, FIRST as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn many_places_together_write_few_lines_and_are_not_all_remembered() {
        let quiet = Quiet::new();
        let (mut told, mut left_out) = (0, 0);
        for second in 0..10 {
            for number in 0..10_000 {
                if let Some(before) = quiet.may_tell(address(second * 10_000 + number)) {
                    told += 1;
                    left_out += before;
                }
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, AT_ONCE as u64 + 9);
        assert!(quiet.0.lock().expect("no panic while held").places.len() <= MOST_PLACES);
        tokio::time::advance(FORGOTTEN).await;
        left_out += quiet.may_tell(address(7_000_000)).expect("a line");
        assert_eq!(told + left_out, 100_000, "every line that was left out is counted");
    }
}
