//! How fast hosts come back after they were lost: as fast as this machine is seen to take them, with
//! room left for everybody else.

mod queue;

use std::{
    collections::VecDeque,
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
use crate::{
    model::KeyId,
    rt::{Shutdown, thread_cpu_time},
};

/// What a handshake is taken to cost before there was one: 1,300 hosts a second on two cores.
const ASSUMED: Duration = Duration::from_micros(500);

/// No handshake is believed to cost less or more of a core.
const LEAST: Duration = Duration::from_micros(50);
const MOST: Duration = Duration::from_millis(2);

/// Handshakes over which the cost is averaged: a cheaper one says more, as one is made dearer by what
/// else goes on.
const AVERAGED: f64 = 64.0;
const AVERAGED_IF_DEARER: f64 = 256.0;

/// A host whose handshake counted is left out until those of so many others did: none can make
/// handshakes look dear for all.
const OTHERS_BETWEEN: usize = 63;

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
    /// Hosts whose handshakes counted last.
    counted: Mutex<VecDeque<KeyId>>,
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
            counted: Mutex::default(),
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

    /// A handshake, whose cost counts if it shows a host, whose key `host_of` gives.
    pub async fn handshake<T>(
        &self,
        from: Source,
        handshake: impl Future<Output = io::Result<T>>,
        host_of: impl FnOnce(&T) -> Option<KeyId>,
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
        let Some(host) = host_of(&done) else {
            under_way.shows = Shows::Stranger;
            return Ok(done);
        };
        under_way.shows = Shows::Host;
        self.learn(host, under_way.used);
        Ok(done)
    }

    fn learn(&self, host: KeyId, used: Duration) {
        if !self.counts(host) {
            return;
        }
        let used = used.clamp(LEAST, MOST).as_nanos() as f64;
        // Of two at once one may be lost: it is an average.
        let cost = self.cost.load(Ordering::Relaxed) as f64;
        let over = if used < cost { AVERAGED } else { AVERAGED_IF_DEARER };
        self.cost.store((cost + (used - cost) / over) as u64, Ordering::Relaxed);
    }

    fn counts(&self, host: KeyId) -> bool {
        let mut counted = self.counted.lock().expect("no panic while held");
        if counted.contains(&host) {
            return false;
        }
        if counted.len() >= OTHERS_BETWEEN {
            counted.pop_front();
        }
        counted.push_back(host);
        true
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
mod tests;
