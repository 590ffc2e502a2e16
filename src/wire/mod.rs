//! The JSON that crosses the network, shared by both sides.
//!
//! Unknown fields are ignored: agents and coordinators of neighbouring versions work together.

pub mod allocators;
pub mod audit;
pub mod comments;
pub mod coordinators;
pub mod deployments;
pub mod desired;
pub mod downloads;
mod failed;
pub mod hosts;
pub mod join_commands;
pub mod platform;
pub mod proxies;
pub mod roles;
pub mod runners;
pub mod tokens;
pub mod users;

pub use failed::{FailedReply, FailedReplyElement, HEADER_ERROR_CODES};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a request that succeeded and has nothing to say answers: `{}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmptyResponse {}
