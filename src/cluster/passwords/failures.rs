//! Who has failed to say who they are: whoever guesses passwords has to wait.

use std::time::Duration;

use tokio::time::Instant;

use super::party::Party;
use crate::limits::generations::Generations;

/// So many wrong passwords are anybody's right.
pub(super) const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A failure is forgotten after this long.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Parties that are remembered at a time.
const MOST: usize = 20_000;

/// Wrong passwords by where they came from. They slow an address down, never a user; and what is
/// right afterwards does not make up for them, since a guesser may know one password.
pub(super) struct Failures(Generations<Party, (u32, Instant)>);

impl Failures {
    pub fn new() -> Self {
        Self(Generations::new(MOST))
    }

    /// A wrong password came from there.
    pub fn failed(&mut self, party: Party) {
        let now = Instant::now();
        let (count, at) = self.0.get_or_insert(party, || (0, now));
        if at.elapsed() >= REMEMBERED {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *at = now;
    }

    /// When the next password from there may be checked, if not now.
    pub fn wait_until(&mut self, party: &Party) -> Option<Instant> {
        let (count, at) = *self.0.get(party)?;
        let over = count.checked_sub(FREE + 1)?;
        let wait = FIRST_WAIT.saturating_mul(1 << over.min(10)).min(LONGEST_WAIT);
        Some(at + wait).filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::source::Source;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_often_waits_longer_and_longer_and_others_do_not() {
        let mut failures = Failures::new();
        let [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]]
            .map(|address| Party::Address(Source::of(address.into())));
        let wait = |failures: &mut Failures, of: &Party| {
            failures.wait_until(of).map_or(Duration::ZERO, |until| until - Instant::now())
        };
        for _ in 0..FREE {
            failures.failed(here.clone());
            assert_eq!(wait(&mut failures, &here), Duration::ZERO);
        }
        failures.failed(here.clone());
        assert_eq!(wait(&mut failures, &here), FIRST_WAIT);
        failures.failed(here.clone());
        assert_eq!(wait(&mut failures, &here), FIRST_WAIT * 2);
        for _ in 0..20 {
            failures.failed(here.clone());
        }
        assert_eq!(wait(&mut failures, &here), LONGEST_WAIT);
        assert_eq!(wait(&mut failures, &there), Duration::ZERO);
        tokio::time::advance(LONGEST_WAIT).await;
        assert_eq!(wait(&mut failures, &here), Duration::ZERO, "its wait is over");
        tokio::time::advance(REMEMBERED).await;
        failures.failed(here.clone());
        assert_eq!(wait(&mut failures, &here), Duration::ZERO, "all is forgotten");
    }
}
