use std::time::Duration;

use tokio::time::Instant;

/// The time over which the hosts of a coordinator that is gone spread their return. Each takes a
/// moment in it, and after a try that failed another one in what is left of it, so that a
/// coordinator that was away for a moment has all of them back when it ends. If it is away for longer
/// another window follows.
#[derive(Debug, Default)]
pub struct ReturnWindow {
    length: Duration,
    ends: Option<Instant>,
    /// Tries since it ended that somebody turned away.
    turned_away: u32,
}

impl ReturnWindow {
    /// The part of the window over which tries are spread at least: many may have failed at once.
    const LEAST: u32 = 4;

    /// Its length, said by a coordinator that is there.
    pub fn is(length: Duration) -> Self {
        Self { length, ends: None, turned_away: 0 }
    }

    /// How long to wait before the next try; `random` is in `0.0..1.0`. A coordinator that is there,
    /// and had too much to do, is tried again soon after the window, as most are back by then, and
    /// less and less often if they are not.
    pub fn pause(&mut self, now: Instant, is_there: bool, random: f64) -> Duration {
        let left = match self.ends {
            Some(ends) if ends > now => ends.duration_since(now),
            Some(_) if is_there => {
                let doubled = self.length / Self::LEAST * (1 << self.turned_away.min(2));
                self.turned_away += 1;
                doubled
            }
            _ => {
                (self.ends, self.turned_away) = (Some(now + self.length), 0);
                self.length
            }
        };
        left.max(self.length / Self::LEAST).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_try_that_fails_is_followed_by_another_in_the_same_window() {
        let (mut window, start) = (ReturnWindow::is(MINUTE), Instant::now());
        assert_eq!(window.pause(start, true, 0.1), MINUTE / 10);
        assert_eq!(window.pause(start + MINUTE / 10, false, 1.0), MINUTE * 9 / 10);
        let late = start + MINUTE - Duration::from_secs(1);
        assert_eq!(window.pause(late, false, 1.0), MINUTE / 4, "never all at one moment");
        let after = start + MINUTE;
        let pauses: [Duration; 4] = std::array::from_fn(|_| window.pause(after, true, 1.0));
        assert_eq!(pauses, [1, 2, 4, 4].map(|quarters| MINUTE / 4 * quarters), "it is there");
        assert_eq!(window.pause(start + MINUTE, false, 1.0), MINUTE, "another one");
    }
}
