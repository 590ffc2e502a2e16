use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Admission;
use crate::model::KeyId;

/// The number of a connection, in the order in which this process has accepted them.
pub type ConnectionId = u64;

/// What somebody wants done at a connection's end.
pub type WhenClosed = Box<dyn Fn() + Send + Sync>;

/// The connection that a request came over.
pub struct ConnectionContext {
    pub id: ConnectionId,
    pub peer: SocketAddr,
    /// The key that the peer proved to hold; on the port for hosts there always is one.
    pub key: Option<KeyId>,
    /// To be done when it is closed.
    closed: OnceLock<WhenClosed>,
    has_asked: AtomicBool,
    /// The place that the connection takes up.
    pub admission: Admission,
}

impl ConnectionContext {
    pub(super) fn new(
        id: ConnectionId,
        peer: SocketAddr,
        key: Option<KeyId>,
        admission: Admission,
    ) -> Self {
        Self {
            id,
            peer,
            key,
            closed: OnceLock::new(),
            has_asked: AtomicBool::new(false),
            admission,
        }
    }

    /// What is to be done when the connection is closed; only what is named first is done.
    pub fn when_closed(&self, name: impl FnOnce() -> WhenClosed) {
        self.closed.get_or_init(name);
    }

    /// A request has come over it; whether it is the first one.
    pub(super) fn asks_first(&self) -> bool {
        !self.has_asked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn closed(&self) {
        if let Some(act) = self.closed.get() {
            act();
        }
    }

    pub fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }
}

/// The extension under which a connection's context travels.
pub type SharedContext = Arc<ConnectionContext>;
