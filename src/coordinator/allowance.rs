use std::{hash::Hash, sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::generations::Generations;

/// So much at once for each `K`, and so much a second after that.
pub struct Allowance<K> {
    at_once: f64,
    per_second: f64,
    left: Mutex<Generations<K, (f64, Instant)>>,
}

impl<K: Eq + Hash> Allowance<K> {
    /// Of more than `most` keys, those that were not used lately have all their room again.
    pub fn new(at_once: f64, per_second: f64, most: usize) -> Self {
        Self { at_once, per_second, left: Mutex::new(Generations::new(most)) }
    }

    /// Takes one from what `key` has left; how long until there is one, if there is none.
    pub fn take(&self, key: K) -> Result<(), Duration> {
        let now = Instant::now();
        let mut left = self.left.lock().expect("no panic while held");
        let (left, at) = left.get_or_insert(key, || (self.at_once, now));
        let refilled = now.duration_since(*at).as_secs_f64() * self.per_second;
        *left = (*left + refilled).min(self.at_once);
        *at = now;
        if *left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - *left) / self.per_second));
        }
        *left -= 1.0;
        Ok(())
    }

    /// Takes one from what `key` has left or will have; how long until it has that. Nobody gets so
    /// far into debt that they would have to wait for longer than `longest`.
    pub fn take_ahead(&self, key: K, longest: Duration) -> Duration {
        let now = Instant::now();
        let mut left = self.left.lock().expect("no panic while held");
        let (left, at) = left.get_or_insert(key, || (self.at_once, now));
        let refilled = now.duration_since(*at).as_secs_f64() * self.per_second;
        let most_debt = longest.as_secs_f64() * self.per_second;
        *left = ((*left + refilled).min(self.at_once) - 1.0).max(-most_debt);
        *at = now;
        Duration::from_secs_f64((-*left).max(0.0) / self.per_second)
    }

    /// Whether `key` would have to wait.
    pub fn is_used_up(&self, key: &K) -> bool {
        let mut left = self.left.lock().expect("no panic while held");
        left.get(key)
            .is_some_and(|(left, at)| *left + at.elapsed().as_secs_f64() * self.per_second < 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_takes_ahead_waits_the_longer_the_more_they_took_but_not_for_ever() {
        let (allowance, longest) = (Allowance::new(1.0, 10.0, 10), Duration::from_millis(300));
        let waits: Vec<u128> =
            (0..6).map(|_| allowance.take_ahead("here", longest).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 300, 300, 300]);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(allowance.take_ahead("here", longest), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_used_all_waits_for_the_next_and_others_do_not() {
        let allowance = Allowance::new(3.0, 0.5, 10);
        let taken = (0..9).filter(|_| allowance.take("here").is_ok()).count();
        assert_eq!(taken, 3);
        assert_eq!(allowance.take("here"), Err(Duration::from_secs(2)));
        assert_eq!(allowance.take("there"), Ok(()));
        assert!(allowance.is_used_up(&"here") && !allowance.is_used_up(&"there"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(allowance.take("here"), Ok(()));
        assert!(allowance.take("here").is_err());
    }
}
