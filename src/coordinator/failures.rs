//! Who has failed to say who they are, and from where: whoever guesses passwords has to wait.

use std::{collections::HashMap, net::IpAddr, sync::Mutex, time::Duration};

use tokio::time::Instant;

/// So many wrong passwords are anybody's right.
const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A failure is forgotten after this long.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Addresses that are remembered at a time.
const MOST: usize = 10_000;

/// Failed logins by address. They slow the address down, never the user.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<IpAddr, (u32, Instant)>>);

impl Failures {
    /// A wrong password came from there; how long to let them wait for the answer.
    pub fn failed(&self, from: IpAddr) -> Duration {
        let mut failures = self.0.lock().expect("no panic while held");
        if failures.len() >= MOST {
            failures.retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        }
        if failures.len() >= MOST && !failures.contains_key(&from) {
            return LONGEST_WAIT;
        }
        let (count, at) = failures.entry(from).or_insert((0, Instant::now()));
        if at.elapsed() >= REMEMBERED {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *at = Instant::now();
        match count.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(over) => FIRST_WAIT.saturating_mul(1 << over.min(10)).min(LONGEST_WAIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_often_waits_longer_and_longer_and_others_do_not() {
        let failures = Failures::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..FREE {
            assert_eq!(failures.failed(here), Duration::ZERO);
        }
        assert_eq!(failures.failed(here), FIRST_WAIT);
        assert_eq!(failures.failed(here), FIRST_WAIT * 2);
        for _ in 0..20 {
            failures.failed(here);
        }
        assert_eq!(failures.failed(here), LONGEST_WAIT);
        assert_eq!(failures.failed(there), Duration::ZERO);
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(failures.failed(here), Duration::ZERO);
    }
}
