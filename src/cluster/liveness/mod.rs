mod rivals;
mod states;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use uuid::Uuid;

pub use rivals::{Challenge, Holder, Rival};
pub use states::HostState;

use super::{news::News, passages::Passages};
use crate::{
    model::{KeyId, Role, RunnerId, SessionId},
    rt::Shutdown,
    wire::hosts::RoleHealth,
};

/// How long a poll is held in a small fleet.
const SHORTEST_HOLD: Duration = Duration::from_secs(4);

/// Polls a second that all hosts together may make.
const POLLS_PER_SECOND: usize = 400;

/// A host that was not heard of for this many holds is gone.
const HOLDS_UNTIL_LOST: u32 = 3;

/// One connection of a host to this coordinator.
pub type ConnectionId = u64;

type Hosts = HashMap<RunnerId, Presence>;

/// Who is connected: in memory, on monotonic time.
pub struct Liveness {
    hosts: Mutex<Hosts>,
    polls: AtomicU64,
    transitions: Mutex<Option<mpsc::UnboundedSender<Transition>>>,
    /// When hosts were lost and came back.
    pub passages: Arc<Passages>,
    /// For the pages that are open.
    pub news: Arc<News>,
    shutdown: Shutdown,
}

/// A session that began or ended, for the record of who is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    Began { runner: RunnerId, session: SessionId },
    Ended { runner: RunnerId, session: SessionId },
}

/// Where a poll comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub session: SessionId,
    pub connection: ConnectionId,
    /// Whose it is, as TLS has proven.
    pub key: KeyId,
    pub address: IpAddr,
    pub boot_id: Option<Uuid>,
}

struct Presence {
    session: SessionId,
    /// `None` for one that has not come back since this coordinator started.
    source: Option<Source>,
    poll: u64,
    last_heard: Instant,
    news: Arc<Notify>,
    health: BTreeMap<Role, RoleHealth>,
    /// Others with the same key, if there are any.
    rivals: Option<Box<rivals::Rivals>>,
}

/// A poll that was let in.
pub struct Poll {
    number: u64,
    /// Told when there may be something new for the host, or a later poll takes over.
    pub news: Arc<Notify>,
}

impl Liveness {
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            hosts: Mutex::default(),
            polls: AtomicU64::new(1),
            transitions: Mutex::new(None),
            passages: Arc::default(),
            news: Arc::default(),
            shutdown,
        }
    }

    /// All sessions that begin or end from now on.
    pub fn transitions(&self) -> mpsc::UnboundedReceiver<Transition> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.transitions.lock().expect("no panic while held") = Some(sender);
        receiver
    }

    /// Lets whoever takes the transitions end.
    pub fn stop_reporting(&self) {
        *self.transitions.lock().expect("no panic while held") = None;
    }

    /// Takes a host for connected that was so before this coordinator started, until it had
    /// time to come back.
    pub fn expect_back(&self, runner: RunnerId, session: SessionId) {
        let presence = Presence {
            session,
            source: None,
            poll: 0,
            last_heard: Instant::now(),
            news: Arc::default(),
            health: BTreeMap::new(),
            rivals: None,
        };
        self.lock().entry(runner).or_insert(presence);
    }

    /// A host polls: it is there. An earlier poll of it that is still held ends.
    pub fn poll(
        &self,
        runner: &RunnerId,
        source: Source,
        health: BTreeMap<Role, RoleHealth>,
    ) -> Poll {
        let number = self.polls.fetch_add(1, Ordering::Relaxed);
        let mut hosts = self.lock();
        let news = Arc::new(Notify::new());
        let session = source.session;
        // Whoever answers a challenge is the one; whoever takes over starts without rivals.
        let rivals = match hosts.get_mut(runner) {
            Some(earlier) if earlier.session == session => {
                earlier.rivals.take().map(|rivals| rivals.answered_by(&source))
            }
            _ => None,
        };
        let presence = Presence {
            session,
            source: Some(source),
            poll: number,
            last_heard: Instant::now(),
            news: news.clone(),
            health,
            rivals,
        };
        if hosts.get(runner).is_some_and(|earlier| earlier.health != presence.health) {
            self.news.tell_of(runner);
        }
        let earlier = hosts.insert(runner.clone(), presence);
        if let Some(earlier) = &earlier {
            earlier.news.notify_one();
        }
        if earlier.is_none_or(|earlier| earlier.session != session) {
            self.report(&hosts, Transition::Began { runner: runner.clone(), session });
        }
        Poll { number, news }
    }

    /// Whether no later poll has taken the place of this one.
    pub fn is_current(&self, runner: &RunnerId, poll: &Poll) -> bool {
        self.lock().get(runner).is_some_and(|presence| presence.poll == poll.number)
    }

    /// The poll was answered: the host's time to come back starts now.
    pub fn answered(&self, runner: &RunnerId, poll: &Poll) {
        if let Some(presence) = self.lock().get_mut(runner)
            && presence.poll == poll.number
        {
            presence.last_heard = Instant::now();
        }
    }

    /// This run of the daemon said that it stops. One that is gone does not end the session of the
    /// one that came after it.
    pub fn said_goodbye(&self, runner: &RunnerId, session: SessionId) {
        self.end_if(runner, |presence| presence.session == session);
    }

    /// The host with this key was removed. Another one may have its name by now.
    pub fn removed(&self, runner: &RunnerId, key: KeyId) {
        self.end_if(runner, |presence| presence.source.is_none_or(|source| source.key == key));
        self.passages.removed(runner);
    }

    /// Whoever holds this poll is no member any more.
    pub fn refused(&self, runner: &RunnerId, poll: &Poll) {
        self.end_if(runner, |presence| presence.poll == poll.number);
    }

    /// A connection is gone; so is the host, unless it has polled over another one since.
    pub fn connection_closed(&self, runner: &RunnerId, connection: ConnectionId) {
        self.end_if(runner, |presence| {
            presence.source.is_some_and(|source| source.connection == connection)
        });
    }

    fn end_if(&self, runner: &RunnerId, is_meant: impl FnOnce(&Presence) -> bool) {
        let mut hosts = self.lock();
        if !hosts.get(runner).is_some_and(is_meant) {
            return;
        }
        if let Some(Presence { session, news, .. }) = hosts.remove(runner) {
            news.notify_one();
            self.report(&hosts, Transition::Ended { runner: runner.clone(), session });
        }
    }

    /// Drops the hosts that have been silent for too long. Those who were connected before this
    /// coordinator started spread their return over `return_window`.
    pub fn sweep(&self, return_window: Duration) {
        let mut hosts = self.lock();
        let longest_silence = hold_for(hosts.len()) * HOLDS_UNTIL_LOST;
        let longest_return = longest_silence.max(return_window + SHORTEST_HOLD * HOLDS_UNTIL_LOST);
        let now = Instant::now();
        let is_lost = |presence: &Presence| {
            let longest = if presence.source.is_some() { longest_silence } else { longest_return };
            now.duration_since(presence.last_heard) > longest
        };
        let lost: Vec<(RunnerId, SessionId)> = hosts
            .extract_if(|_, presence| is_lost(presence))
            .map(|(runner, presence)| (runner, presence.session))
            .collect();
        for (runner, session) in &lost {
            let (runner, session) = (runner.clone(), *session);
            self.report(&hosts, Transition::Ended { runner, session });
        }
        drop(hosts);
        for (runner, _) in lost {
            tracing::warn!(%runner, "the host {runner} is silent; it counts as disconnected");
        }
    }

    pub fn is_connected(&self, runner: &RunnerId) -> bool {
        self.lock().contains_key(runner)
    }

    /// How long to hold a poll, so that all hosts together do not poll too often.
    pub fn hold(&self) -> Duration {
        hold_for(self.lock().len())
    }

    /// How long to hold a poll of a host that was told `told`. When the fleet grows, holds do, but
    /// only after the host has heard of it: it would give up waiting.
    pub fn hold_at_most(&self, told: Duration) -> Duration {
        self.hold().min(told)
    }

    /// How many hosts are connected.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// There may be something new for this host.
    pub fn tell(&self, runner: &RunnerId) {
        if let Some(presence) = self.lock().get(runner) {
            presence.news.notify_one();
        }
    }

    pub fn tell_all(&self) {
        for presence in self.lock().values() {
            presence.news.notify_one();
        }
    }

    /// Takes the hosts that it speaks of while they are locked: what is said last is what holds.
    fn report(&self, _locked: &Hosts, transition: Transition) {
        // A coordinator that stops loses its hosts only for itself: the next one expects them.
        if self.shutdown.has_fired() {
            return;
        }
        if let Some(sender) = &*self.transitions.lock().expect("no panic while held") {
            // The receiver ends with the coordinator.
            let _ = sender.send(transition);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().expect("no panic while held")
    }
}

fn hold_for(hosts: usize) -> Duration {
    let paced = Duration::from_millis((hosts * 1000 / POLLS_PER_SECOND) as u64);
    paced.max(SHORTEST_HOLD)
}

#[cfg(test)]
mod tests;
