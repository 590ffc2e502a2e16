//! How fast hosts come back after they were lost: as fast as this machine is seen to take them, with
//! room left for everybody else.

mod queue;

use std::{
    io,
    pin::pin,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use self::queue::Queue;
use super::source::Source;
use crate::rt::{Shutdown, thread_cpu_time};

/// What a handshake is taken to cost before there was one: 1,300 hosts a second on two cores.
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
const OF_A_RETURN: f64 = 3.0;

/// The part of the machine that hosts coming back may take, and those that come when it is late:
/// others have work for its cores too.
const SHARE: f64 = 0.6;
const SHARE_WHEN_LATE: f64 = 0.3;

/// How often the runtime is looked at, and how late it may be with that.
const LOOK: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(100);

/// How long it counts as late after that.
const REMEMBERED: Duration = Duration::from_secs(1);

/// How often turns are given while somebody waits.
const GIVE: Duration = Duration::from_millis(10);

/// Connections that may wait for a turn: fewer than strangers there may be at one address, of whom
/// else the oldest would have to go. Whoever is turned away comes again by itself.
const MOST_WAITING: usize = 200;

pub struct Pace {
    cores: f64,
    cpu: fn() -> Duration,
    /// Nanoseconds of a core that a handshake takes.
    cost: AtomicU64,
    turns: Mutex<Turns>,
}

struct Turns {
    late_until: Instant,
    queue: Queue,
    /// Turns that can be given now, and since when.
    ready: f64,
    at: Instant,
}

/// A handshake under way, from where; it counts against that place unless it shows a host.
struct UnderWay<'a> {
    pace: &'a Pace,
    from: Source,
    used: Duration,
    shows: Shows,
}

enum Shows {
    Nothing,
    Stranger,
    Host,
}

impl Default for Pace {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(cores, thread_cpu_time)
    }
}

impl Pace {
    fn with(cores: usize, cpu: fn() -> Duration) -> Self {
        let now = Instant::now();
        Self {
            cores: cores as f64,
            cpu,
            cost: AtomicU64::new(ASSUMED.as_nanos() as u64),
            turns: Mutex::new(Turns {
                late_until: now,
                queue: Queue::new(MOST_WAITING),
                ready: 0.0,
                at: now,
            }),
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

    /// A handshake, whose cost counts if it shows a host, as `is_host` says.
    pub async fn handshake<T>(
        &self,
        from: Source,
        handshake: impl Future<Output = io::Result<T>>,
        is_host: impl FnOnce(&T) -> bool,
    ) -> io::Result<T> {
        let mut handshake = pin!(handshake);
        let mut under_way =
            UnderWay { pace: self, from, used: Duration::ZERO, shows: Shows::Nothing };
        let done = std::future::poll_fn(|context| {
            let before = (self.cpu)();
            let polled = handshake.as_mut().poll(context);
            under_way.used += (self.cpu)().saturating_sub(before);
            polled
        })
        .await?;
        // What strangers' keys cost to look at is their own choice.
        if !is_host(&done) {
            under_way.shows = Shows::Stranger;
            return Ok(done);
        }
        under_way.shows = Shows::Host;
        let used = under_way.used.clamp(LEAST, MOST).as_nanos() as f64;
        // Of two at once one may be lost: it is an average.
        let cost = self.cost.load(Ordering::Relaxed) as f64;
        let over = if used < cost { AVERAGED } else { AVERAGED_IF_DEARER };
        self.cost.store((cost + (used - cost) / over) as u64, Ordering::Relaxed);
        Ok(done)
    }

    /// Waits until a handshake with somebody there may begin: at once, unless the machine is late
    /// with what it has to do. An error if too many wait.
    pub async fn turn(&self, from: Source) -> io::Result<()> {
        let turn = {
            let mut turns = self.turns();
            if Instant::now() >= turns.late_until && turns.queue.is_empty() {
                return Ok(());
            }
            turns.queue.add(from)
        };
        turn.await.map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "too many handshakes"))
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().expect("no panic while held")
    }

    /// Gives the turns that are due; whether somebody goes on waiting.
    fn give(&self) -> bool {
        let mut turns = self.turns();
        let now = Instant::now();
        let share = if now < turns.late_until { SHARE_WHEN_LATE } else { 1.0 };
        let rate = share * self.rate();
        let since = now.duration_since(turns.at).min(LOOK);
        turns.ready = (turns.ready + since.as_secs_f64() * rate).min(LOOK.as_secs_f64() * rate);
        turns.at = now;
        while turns.ready >= 1.0 && turns.queue.give() {
            turns.ready -= 1.0;
        }
        !turns.queue.is_empty()
    }

    /// Watches how late the runtime is with what it has to do, and gives turns.
    pub async fn watch(&self, shutdown: Shutdown) {
        loop {
            let pause = if self.give() { GIVE } else { LOOK };
            let due = Instant::now() + pause;
            tokio::select! {
                () = sleep(pause) => {}
                () = shutdown.wait() => return,
            }
            self.saw(due.elapsed());
        }
    }

    fn saw(&self, late: Duration) {
        if late >= LATE {
            self.turns().late_until = Instant::now() + REMEMBERED;
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut turns = self.pace.turns();
        match self.shows {
            Shows::Host => return,
            Shows::Stranger => {}
            // It has cost nothing: the turn is somebody else's.
            Shows::Nothing if self.used < LEAST => turns.ready += 1.0,
            Shows::Nothing => {}
        }
        turns.queue.blame(self.from);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, sync::Arc};

    use tokio::{task::JoinSet, time::timeout};

    use super::*;
    use crate::rt::ShutdownTrigger;

    thread_local! {
        static CPU: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn here() -> Source {
        Source::of([10, 0, 0, 1].into())
    }

    fn pace() -> Pace {
        Pace::with(2, || CPU.get())
    }

    async fn handshakes(pace: &Pace, count: usize, each: Duration, succeed: bool, is_host: bool) {
        for _ in 0..count {
            let one = async {
                // Half of it after waiting for the other side.
                CPU.set(CPU.get() + each / 2);
                tokio::task::yield_now().await;
                CPU.set(CPU.get() + each / 2);
                if succeed { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            };
            let _ = pace.handshake(here(), one, |()| is_host).await;
        }
    }

    #[tokio::test]
    async fn hosts_come_back_as_fast_as_their_handshakes_allow() {
        let pace = pace();
        let before = pace.return_window(15_000);
        assert_eq!(before, Duration::from_millis(18_750));
        handshakes(&pace, 1_000, Duration::from_micros(10), false, true).await;
        assert_eq!(pace.return_window(15_000), before, "of those that fail nothing is learnt");
        handshakes(&pace, 1_000, Duration::from_secs(1), true, false).await;
        assert_eq!(pace.return_window(15_000), before, "strangers choose what theirs cost");
        handshakes(&pace, 1_000, Duration::from_micros(200), true, true).await;
        let window = pace.return_window(15_000);
        assert!((7.4..7.6).contains(&window.as_secs_f64()), "{window:?}");
        handshakes(&pace, 3_000, Duration::from_secs(1), true, true).await;
        let window = pace.return_window(15_000);
        assert!((74.0..76.0).contains(&window.as_secs_f64()), "{window:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_turn_while_there_is_no_rush() {
        let pace = pace();
        pace.saw(LATE - Duration::from_millis(1));
        let start = Instant::now();
        for _ in 0..10_000 {
            pace.turn(here()).await.expect("a turn");
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_machine_is_late_handshakes_take_turns_and_those_too_many_are_turned_away() {
        let pace = Arc::new(pace());
        let (_stop, shutdown) = ShutdownTrigger::new();
        let watching = pace.clone();
        tokio::spawn(async move { watching.watch(shutdown).await });
        tokio::task::yield_now().await;
        pace.saw(LATE);
        let (mut turns, mut turned_away) = (JoinSet::new(), 0);
        for _ in 0..2_000 {
            let pace = pace.clone();
            turns.spawn(async move { pace.turn(here()).await.map(|()| Instant::now()) });
        }
        let start = Instant::now();
        let mut latest = start;
        while let Some(turn) = turns.join_next().await {
            match turn.expect("no panic") {
                Ok(at) => latest = latest.max(at),
                Err(_) => turned_away += 1,
            }
        }
        assert_eq!(turned_away, 2_000 - MOST_WAITING);
        // 400 a second.
        let took = (latest - start).as_millis();
        assert!((450..600).contains(&took), "{took} ms");
        tokio::time::advance(REMEMBERED).await;
        let later = timeout(Duration::ZERO, pace.turn(here())).await;
        later.expect("at once: it is not late any more").expect("a turn");
    }

    #[tokio::test(start_paused = true)]
    async fn who_shows_no_host_waits_for_those_who_do_and_a_turn_not_used_is_given_back() {
        let (pace, there) = (pace(), Source::of([10, 9, 9, 9].into()));
        for is_host in [true, false] {
            let from = if is_host { here() } else { there };
            let one = async {
                CPU.set(CPU.get() + Duration::from_millis(1));
                Ok(())
            };
            pace.handshake(from, one, |()| is_host).await.expect("done");
        }
        pace.saw(LATE);
        let mut stranger = pin!(pace.turn(there));
        let mut host = pin!(pace.turn(here()));
        tokio::select! {
            biased;
            _ = &mut stranger => panic!("nobody has a turn"),
            _ = &mut host => panic!("nobody has a turn"),
            () = std::future::ready(()) => {}
        }
        let gone = async { Err::<(), _>(io::ErrorKind::UnexpectedEof.into()) };
        pace.handshake(there, gone, |()| true).await.expect_err("gone");
        pace.give();
        let first = tokio::select! {
            biased;
            _ = &mut stranger => "stranger",
            _ = &mut host => "host",
        };
        assert_eq!(first, "host");
    }
}
