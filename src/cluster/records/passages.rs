use serde::{Deserialize, Serialize};

use super::{Stored, sharded};
use crate::{model::RunnerId, rt::Timestamp, store::StorePath};

/// When a host was lost and came back: a few of the latest times, so that one that does so all the
/// time takes no more room than others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassagesRecord {
    pub runner_id: RunnerId,
    /// The latest last.
    pub passages: Vec<Passage>,
}

/// A host came, or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    pub at: Timestamp,
    /// Whether it was connected from then on.
    pub connected: bool,
}

impl Stored for PassagesRecord {
    const SCHEMA: u32 = 1;
}

impl PassagesRecord {
    pub fn root() -> StorePath {
        StorePath::root("passages")
    }

    pub fn path(runner: &RunnerId) -> StorePath {
        sharded("passages", runner.as_str())
    }
}
