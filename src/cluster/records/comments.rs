use serde::{Deserialize, Serialize};

use super::{Stored, sharded};
use crate::{model::RunnerId, rt::Timestamp, store::StorePath};

/// What people have said of a host in one of its parts: a bounded number of comments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentsRecord {
    pub runner_id: RunnerId,
    /// The latest last.
    pub comments: Vec<Comment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub id: String,
    /// The name of the user who wrote it.
    pub user: String,
    pub message: String,
    pub version: u64,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

/// What of a host a comment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentedPart {
    Allocator,
    Constructor,
    Proxy,
    Runner,
}

impl CommentedPart {
    pub const ALL: [Self; 4] = [Self::Allocator, Self::Constructor, Self::Proxy, Self::Runner];

    /// The API's `resource_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allocator => "allocator",
            Self::Constructor => "constructor",
            Self::Proxy => "proxy",
            Self::Runner => "runner",
        }
    }
}

impl Stored for CommentsRecord {
    const SCHEMA: u32 = 1;
}

impl CommentsRecord {
    pub fn root() -> StorePath {
        StorePath::root("comments")
    }

    pub fn path(runner: &RunnerId, part: CommentedPart) -> StorePath {
        sharded("comments", runner.as_str()).child(part.name())
    }
}
