//! How fast hosts come back after they were lost: as fast as this machine is seen to take them, with
//! room left for everybody else.

use std::{
    io,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::rt::{Shutdown, thread_cpu_time};

/// What a handshake is taken to cost before there was one: 1,000 hosts a second on two cores.
const ASSUMED: Duration = Duration::from_micros(500);

/// No handshake is believed to cost less or more of a core.
const LEAST: Duration = Duration::from_micros(50);
const MOST: Duration = Duration::from_millis(2);

/// Handshakes over which the cost is averaged: a cheaper one says more, as one is made dearer by what
/// else goes on.
const AVERAGED: f64 = 64.0;
const AVERAGED_IF_DEARER: f64 = 256.0;

/// A host that comes back costs this many handshakes: with its own come a connection, polls and a
/// record.
const OF_A_RETURN: f64 = 4.0;

/// The part of the machine that hosts coming back may take, and those that come when it is late:
/// others have work for its cores too.
const SHARE: f64 = 0.4;
const SHARE_WHEN_LATE: f64 = 0.3;

/// How often the runtime is looked at, and how late it may be with that.
const LOOK: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(100);

/// How long it counts as late after that.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Whoever would have to wait longer for a handshake is turned away; hosts come again by themselves.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

pub struct Pace {
    cores: f64,
    cpu: fn() -> Duration,
    /// Nanoseconds of a core that a handshake takes.
    cost: AtomicU64,
    turns: Mutex<Turns>,
}

struct Turns {
    late_until: Instant,
    next: Instant,
}

impl Pace {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(cores, thread_cpu_time)
    }

    fn with(cores: usize, cpu: fn() -> Duration) -> Self {
        let now = Instant::now();
        Self {
            cores: cores as f64,
            cpu,
            cost: AtomicU64::new(ASSUMED.as_nanos() as u64),
            turns: Mutex::new(Turns { late_until: now, next: now }),
        }
    }

    /// Hosts a second that could come back if there was nothing else to do.
    pub fn rate(&self) -> f64 {
        let cost = Duration::from_nanos(self.cost.load(Ordering::Relaxed)).as_secs_f64();
        self.cores / (cost * OF_A_RETURN)
    }

    /// Over which time so many hosts spread their return after this coordinator was away.
    pub fn return_window(&self, hosts: usize) -> Duration {
        Duration::from_secs_f64(hosts as f64 / (SHARE * self.rate()))
    }

    /// A handshake, whose cost counts if it succeeds.
    pub async fn handshake<T>(
        &self,
        handshake: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut handshake = pin!(handshake);
        let mut used = Duration::ZERO;
        let done = std::future::poll_fn(|context| {
            let before = (self.cpu)();
            let polled = handshake.as_mut().poll(context);
            used += (self.cpu)().saturating_sub(before);
            polled
        })
        .await?;
        let used = used.clamp(LEAST, MOST).as_nanos() as f64;
        // Of two at once one may be lost: it is an average.
        let cost = self.cost.load(Ordering::Relaxed) as f64;
        let over = if used < cost { AVERAGED } else { AVERAGED_IF_DEARER };
        self.cost.store((cost + (used - cost) / over) as u64, Ordering::Relaxed);
        Ok(done)
    }

    /// Waits until a handshake may begin: at once, unless the machine is late with what it has to
    /// do. An error if that would take too long.
    pub async fn turn(&self) -> io::Result<()> {
        let wait = {
            let mut turns = self.turns.lock().expect("no panic while held");
            let now = Instant::now();
            if now >= turns.late_until {
                return Ok(());
            }
            let turn = turns.next.max(now);
            if turn - now > LONGEST_WAIT {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "too many handshakes"));
            }
            turns.next = turn + Duration::from_secs_f64(1.0 / (SHARE_WHEN_LATE * self.rate()));
            turn - now
        };
        sleep(wait).await;
        Ok(())
    }

    /// Watches how late the runtime is with what it has to do.
    pub async fn watch(&self, shutdown: Shutdown) {
        loop {
            let due = Instant::now() + LOOK;
            tokio::select! {
                () = sleep(LOOK) => {}
                () = shutdown.wait() => return,
            }
            self.saw(due.elapsed());
        }
    }

    fn saw(&self, late: Duration) {
        if late >= LATE {
            let mut turns = self.turns.lock().expect("no panic while held");
            turns.late_until = Instant::now() + REMEMBERED;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::timeout;

    use super::*;

    thread_local! {
        static CPU: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn pace() -> Pace {
        Pace::with(2, || CPU.get())
    }

    async fn handshakes(pace: &Pace, count: usize, each: Duration, succeed: bool) {
        for _ in 0..count {
            let one = async {
                // Half of it after waiting for the other side.
                CPU.set(CPU.get() + each / 2);
                tokio::task::yield_now().await;
                CPU.set(CPU.get() + each / 2);
                if succeed { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            };
            let _ = pace.handshake(one).await;
        }
    }

    #[tokio::test]
    async fn hosts_come_back_as_fast_as_their_handshakes_allow() {
        let pace = pace();
        let before = pace.return_window(15_000);
        assert_eq!(before, Duration::from_millis(37_500));
        handshakes(&pace, 1_000, Duration::from_micros(10), false).await;
        assert_eq!(pace.return_window(15_000), before, "of those that fail nothing is learnt");
        handshakes(&pace, 1_000, Duration::from_micros(200), true).await;
        let window = pace.return_window(15_000);
        assert!((14.9..15.1).contains(&window.as_secs_f64()), "{window:?}");
        handshakes(&pace, 3_000, Duration::from_secs(1), true).await;
        let window = pace.return_window(15_000);
        assert!((149.0..151.0).contains(&window.as_secs_f64()), "{window:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_turn_while_there_is_no_rush() {
        let pace = pace();
        pace.saw(LATE - Duration::from_millis(1));
        let start = Instant::now();
        for _ in 0..10_000 {
            pace.turn().await.expect("a turn");
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_machine_is_late_handshakes_take_turns_and_those_too_many_are_turned_away() {
        let pace = pace();
        pace.saw(LATE);
        let (mut turns, mut turned_away) = (tokio::task::JoinSet::new(), 0);
        let pace = std::sync::Arc::new(pace);
        for _ in 0..2_000 {
            let pace = pace.clone();
            turns.spawn(async move { pace.turn().await.map(|()| Instant::now()) });
        }
        let start = Instant::now();
        let mut latest = start;
        while let Some(turn) = turns.join_next().await {
            match turn.expect("no panic") {
                Ok(at) => latest = latest.max(at),
                Err(_) => turned_away += 1,
            }
        }
        // 300 a second, for three seconds.
        assert!((1_090..=1_100).contains(&turned_away), "{turned_away}");
        assert!(latest - start <= LONGEST_WAIT + Duration::from_millis(10));
        let later = timeout(Duration::ZERO, pace.turn()).await;
        later.expect("at once: it is not late any more").expect("a turn");
    }
}
