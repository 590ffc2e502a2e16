use std::{hash::Hash, sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::generations::Generations;

/// So much at once, and so much a second after that.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub at_once: f64,
    pub per_second: f64,
}

/// What somebody has left of their rate, or owes, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    left: f64,
    at: Instant,
}

impl Rate {
    /// What those have who have used nothing.
    pub fn all(self) -> Left {
        Left { left: self.at_once, at: Instant::now() }
    }

    /// Takes one; how long until there is one, if there is none.
    pub fn take(self, from: &mut Left) -> Result<(), Duration> {
        self.refill(from);
        if from.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - from.left) / self.per_second));
        }
        from.left -= 1.0;
        Ok(())
    }

    /// Takes one that there is or will be; how long until it is there. Nobody gets so far into debt
    /// that they would have to wait for longer than `longest`.
    pub fn take_ahead(self, from: &mut Left, longest: Duration) -> Duration {
        self.refill(from);
        let most_debt = longest.as_secs_f64() * self.per_second;
        from.left = (from.left - 1.0).max(-most_debt);
        Duration::from_secs_f64((-from.left).max(0.0) / self.per_second)
    }

    /// Gives one back that was taken for nothing.
    fn give_back(self, to: &mut Left) {
        to.left = (to.left + 1.0).min(self.at_once);
    }

    fn refill(self, left: &mut Left) {
        let now = Instant::now();
        let refilled = now.duration_since(left.at).as_secs_f64() * self.per_second;
        *left = Left { left: (left.left + refilled).min(self.at_once), at: now };
    }
}

/// A rate for each `K`.
pub struct Allowance<K> {
    rate: Rate,
    left: Mutex<Generations<K, Left>>,
}

impl<K: Eq + Hash> Allowance<K> {
    /// Of more than `most` keys, those that were not used lately have all their room again.
    pub fn new(at_once: f64, per_second: f64, most: usize) -> Self {
        Self { rate: Rate { at_once, per_second }, left: Mutex::new(Generations::new(most)) }
    }

    /// Takes one from what `key` has left; how long until there is one, if there is none.
    pub fn take(&self, key: K) -> Result<(), Duration> {
        self.of(key, |rate, left| rate.take(left))
    }

    /// Gives one back that `key` has taken for nothing.
    pub fn give_back(&self, key: K) {
        self.of(key, Rate::give_back);
    }

    /// Takes one from what `key` has left or will have; how long until it has that, and at most
    /// `longest`.
    pub fn take_ahead(&self, key: K, longest: Duration) -> Duration {
        self.of(key, |rate, left| rate.take_ahead(left, longest))
    }

    /// How long `key` would have to wait for one, if there is none.
    pub fn wait(&self, key: &K) -> Option<Duration> {
        let mut left = self.left.lock().expect("no panic while held");
        let mut left = *left.get(key)?;
        self.rate.take(&mut left).err()
    }

    /// Whether `key` has used nothing lately.
    pub fn is_whole(&self, key: &K) -> bool {
        let mut left = self.left.lock().expect("no panic while held");
        let Some(left) = left.get(key) else { return true };
        self.rate.refill(left);
        left.left >= self.rate.at_once
    }

    fn of<T>(&self, key: K, take: impl FnOnce(Rate, &mut Left) -> T) -> T {
        let mut left = self.left.lock().expect("no panic while held");
        take(self.rate, left.get_or_insert(key, || self.rate.all()))
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
        assert_eq!(allowance.wait(&"here"), Some(Duration::from_secs(2)));
        assert_eq!((allowance.wait(&"there"), allowance.wait(&"nowhere")), (None, None));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(allowance.take("here"), Ok(()));
        assert!(allowance.take("here").is_err());
    }
}
