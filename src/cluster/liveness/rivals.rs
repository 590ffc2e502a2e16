//! Two machines with one key: a copied disk.
//!
//! When a second session appears, the first is asked for a sign of life. If it gives one, the
//! newcomer is kept apart as its rival; else it was the same machine before a reboot. This catches
//! accidents, not thieves.

use std::{net::IpAddr, time::Duration};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Liveness, Poll, Presence, Source};
use crate::{
    model::{RunnerId, SessionId},
    rt::Timestamp,
};

/// A rival that has not asked again for this long is gone; it does so every 30 s.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Newcomers that wait or are remembered at a time, for one host: a host that makes up more of them
/// is not believed more.
const MOST: usize = 16;

/// A machine that is kept apart, as another one with its key was there first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    pub session: SessionId,
    pub address: IpAddr,
    pub boot_id: Option<Uuid>,
    pub seen_at: Timestamp,
}

/// The machine that was there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub address: IpAddr,
    pub boot_id: Option<Uuid>,
}

/// What a session that appears has to wait for.
pub enum Challenge {
    /// Nothing: nobody else has this key now.
    NotNeeded,
    /// It is known that another machine has it.
    Rival(Holder),
    /// The other one's sign of life; an error if the other one is gone.
    Pending(oneshot::Receiver<Holder>),
}

#[derive(Default)]
pub(super) struct Rivals {
    known: Vec<Rival>,
    waiting: Vec<(Rival, oneshot::Sender<Holder>)>,
}

impl Rivals {
    /// The machines that are kept apart, and were heard of lately.
    pub(super) fn known(&mut self, now: Timestamp) -> &[Rival] {
        self.known.retain(|rival| rival.seen_at.plus(REMEMBERED) >= now);
        &self.known
    }

    /// The holder gave its sign of life: whoever waited for that is a rival.
    pub(super) fn answered_by(mut self: Box<Self>, holder: &Source) -> Box<Self> {
        let holder = Holder { address: holder.address, boot_id: holder.boot_id };
        for (rival, decided) in self.waiting.drain(..) {
            self.known.retain(|known| known.session != rival.session);
            self.known.push(rival);
            let too_many = self.known.len().saturating_sub(MOST);
            self.known.drain(..too_many);
            // A newcomer that went away meanwhile does not need to know.
            let _ = decided.send(holder);
        }
        self
    }
}

impl Liveness {
    /// A session appears: whether another one stands against it.
    pub fn challenge(&self, runner: &RunnerId, newcomer: &Source, now: Timestamp) -> Challenge {
        let mut hosts = self.lock();
        let Some(Presence { session, source: Some(first), rivals, news, .. }) =
            hosts.get_mut(runner)
        else {
            return Challenge::NotNeeded;
        };
        if *session == newcomer.session {
            return Challenge::NotNeeded;
        }
        let rivals = rivals.get_or_insert_default();
        let known = rivals.known.iter_mut().find(|rival| rival.session == newcomer.session);
        if let Some(known) = known {
            known.seen_at = now;
            return Challenge::Rival(Holder { address: first.address, boot_id: first.boot_id });
        }
        if rivals.waiting.len() >= MOST {
            return Challenge::Rival(Holder { address: first.address, boot_id: first.boot_id });
        }
        let (decided, decision) = oneshot::channel();
        let rival = Rival {
            session: newcomer.session,
            address: newcomer.address,
            boot_id: newcomer.boot_id,
            seen_at: now,
        };
        rivals.waiting.push((rival, decided));
        news.notify_one();
        Challenge::Pending(decision)
    }

    /// Whether the holder of this poll is asked for a sign of life.
    pub fn is_challenged(&self, runner: &RunnerId, poll: &Poll) -> bool {
        self.lock().get(runner).is_some_and(|presence| {
            presence.poll == poll.number
                && presence.rivals.as_ref().is_some_and(|rivals| !rivals.waiting.is_empty())
        })
    }

    /// The machines that are kept apart from this host.
    pub fn rivals(&self, runner: &RunnerId, now: Timestamp) -> Vec<Rival> {
        let mut hosts = self.lock();
        let rivals = hosts.get_mut(runner).and_then(|it| it.rivals.as_mut());
        rivals.map(|rivals| rivals.known(now).to_vec()).unwrap_or_default()
    }
}
