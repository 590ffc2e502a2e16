use std::time::Duration;

use crate::limits::allowance::Allowance;

/// Changes of one's own account at once, which anybody with a password may make.
const AT_ONCE: f64 = 100.0;

/// And after that: each leaves a record in the audit, which is kept for 90 days.
const A_SECOND: f64 = 1.0 / 60.0;

/// Users that are remembered at a time.
const MOST_USERS: usize = 10_000;

/// What users may change of their own accounts.
pub struct OwnChanges {
    allowance: Allowance<String>,
}

impl Default for OwnChanges {
    fn default() -> Self {
        Self { allowance: Allowance::new(AT_ONCE, A_SECOND, MOST_USERS) }
    }
}

impl OwnChanges {
    /// Takes one change of the user's; how long to wait for one, if there is none left.
    pub fn take(&self, user: &str) -> Result<(), Duration> {
        self.allowance.take(user.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_user_makes_a_hundred_changes_at_once_and_one_a_minute_after_that() {
        let changes = OwnChanges::default();
        for _ in 0..100 {
            assert_eq!(changes.take("one"), Ok(()));
        }
        let wait = changes.take("one").expect_err("too many");
        assert!(wait.abs_diff(Duration::from_secs(60)) < Duration::from_secs(1), "{wait:?}");
        assert_eq!(changes.take("other"), Ok(()));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(changes.take("one"), Ok(()));
        assert!(changes.take("one").is_err());
    }
}
