//! Roles tokens: ECE's JWTs, read strictly, made and verified by the coordinator.

mod claims;
mod signing;
mod unverified;

pub use claims::Claims;
pub use signing::{NotOurs, SigningKey, VerifiedToken, text_digest};
pub use unverified::{LocalRefusal, Malformed, UnverifiedToken};
