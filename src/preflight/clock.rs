//! This machine's clock against the coordinator's.

use super::{Context, Outcome, Severity};
use crate::model::{Code, Failure};

/// How far the clocks may differ, in milliseconds.
const MOST_SKEW_MS: i64 = 30_000;

const NEEDED: &str = "at most 30 s";

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let ahead_ms = context.reach?.clock_ahead_ms?;
    let (code, found) = (Code::PreflightClock, in_words(ahead_ms));
    Some(Outcome::judge(code, is_close(ahead_ms), Severity::Warning, found, NEEDED))
}

/// What to tell of this machine's clock minus the coordinator's, if it is too much.
pub fn clock_skew(ahead_ms: i64) -> Option<Failure> {
    let told = || format!("{}; needed: {NEEDED}", in_words(ahead_ms));
    (!is_close(ahead_ms)).then(|| Failure::new(Code::PreflightClock, told()))
}

fn is_close(ahead_ms: i64) -> bool {
    ahead_ms.unsigned_abs() <= MOST_SKEW_MS.unsigned_abs()
}

fn in_words(ahead_ms: i64) -> String {
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    format!("this machine's clock is {} {side} the coordinator's", how_long(ahead_ms))
}

/// In the largest unit of which there are two.
fn how_long(ms: i64) -> String {
    let seconds = ms.unsigned_abs() as f64 / 1000.0;
    for (name, length) in [("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)] {
        if seconds >= 2.0 * length {
            return format!("{:.0} {name}", seconds / length);
        }
    }
    format!("{seconds:.1} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_as_people_say_it() {
        for (ms, told) in [
            (259_200_000, "3 days ahead of"),
            (-7_200_000, "2 hours behind"),
            (2_400_000, "40 minutes ahead of"),
            (-31_000, "31.0 s behind"),
        ] {
            let found = in_words(ms);
            assert_eq!(found, format!("this machine's clock is {told} the coordinator's"));
            assert!(clock_skew(ms).expect("too much").message.starts_with(&found));
        }
        assert_eq!(clock_skew(30_000), None);
        assert_eq!(clock_skew(-30_000), None);
        clock_skew(i64::MIN).expect("too much");
    }
}
