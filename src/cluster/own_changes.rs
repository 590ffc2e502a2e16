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
