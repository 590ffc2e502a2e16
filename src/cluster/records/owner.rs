use serde::{Deserialize, Serialize};

use super::{Stored, sharded};
use crate::{
    model::{RunnerId, SessionId},
    store::StorePath,
};

/// Which coordinator a host has its session with. It is there for as long as the host is a member,
/// and is written when a session starts or ends, so that a coordinator that starts knows who was
/// connected. Whoever names its version holds that no session has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    pub runner_id: RunnerId,
    /// The one that has, or had, the session.
    pub coordinator: Option<RunnerId>,
    /// `None` while the host is not connected.
    pub session: Option<SessionId>,
}

/// In schema 1 there was none of a host that is not connected.
impl Stored for OwnerRecord {
    const SCHEMA: u32 = 2;
}

impl OwnerRecord {
    /// Of a host that is not connected.
    pub fn nobody(runner: &RunnerId) -> Self {
        Self { runner_id: runner.clone(), coordinator: None, session: None }
    }

    pub fn root() -> StorePath {
        StorePath::root("owners")
    }

    pub fn path(runner: &RunnerId) -> StorePath {
        sharded("owners", runner.as_str())
    }
}
