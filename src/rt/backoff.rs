use std::time::Duration;

/// Waiting times that double up to a ceiling, each drawn at random from the upper three
/// quarters of its range, so that many hosts do not return together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    ceiling: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, ceiling: Duration) -> Self {
        Self { first, ceiling, next: first }
    }

    /// The next time to wait; `random` is in `0.0..1.0`.
    pub fn next(&mut self, random: f64) -> Duration {
        let full = self.next;
        self.next = (self.next * 2).min(self.ceiling);
        full.mul_f64(0.25 + 0.75 * random.clamp(0.0, 1.0))
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A random number in `0.0..1.0`, good enough to spread things in time.
pub fn random_fraction() -> f64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    (high >> 32) as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_its_ceiling_and_starts_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        let waits: Vec<u128> = (0..3).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 300]);
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(25));
    }
}
