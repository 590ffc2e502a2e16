use std::net::IpAddr;

use super::super::{Unfinished, members::InvalidFacts, stops_at_the_store};
use crate::{
    model::{KeyId, RoleSet, RunnerId, TokenId},
    rt::Timestamp,
};

/// Why a host is not let in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error("the coordinator does not know this roles token")]
    TokenInvalid,
    #[error("the roles token was revoked at {0}")]
    TokenRevoked(Timestamp),
    #[error("the roles token expired at {expired_at}; by the coordinator's clock it is {now}")]
    TokenExpired { expired_at: Timestamp, now: Timestamp },
    #[error("the roles token let in {0} {hosts}, and was made for no more", hosts = if *.0 == 1 { "host" } else { "hosts" })]
    TokenUsedUp(u32),
    #[error("the roles token allows {allowed}; it does not allow {beyond}")]
    RolesExceeded { beyond: RoleSet, allowed: RoleSet },
    #[error("a joining host cannot be given {roles} in this version", roles = .0.in_words())]
    RoleNotAvailable(RoleSet),
    #[error(
        "the runner id {runner_id} is taken by the host {known_ip} with the key {known_key}; this host, {new_ip}, has the key {new_key}"
    )]
    RunnerIdTaken {
        runner_id: RunnerId,
        known_ip: IpAddr,
        known_key: KeyId,
        new_ip: IpAddr,
        new_key: KeyId,
    },
    #[error(
        "the runner id {runner_id} is taken by the host {known_ip} with the key {known_key}; {requested} differs from it in upper and lower case alone"
    )]
    RunnerIdAlike { runner_id: RunnerId, known_ip: IpAddr, known_key: KeyId, requested: RunnerId },
    #[error("the host {runner_id} ({known_ip}) cannot be replaced: {reason}")]
    ReplaceRefused { runner_id: RunnerId, known_ip: IpAddr, reason: &'static str },
    #[error("this host's key is registered as {registered}, and it asks to join as {requested}")]
    KeyInUse { registered: RunnerId, requested: RunnerId },
    #[error("this host has {}, and now asks for {}", .today.in_words(), .requested.in_words())]
    RolesDiffer { today: RoleSet, requested: RoleSet },
    #[error("the host {runner_id} was removed from the cluster at {at}")]
    Removed { runner_id: RunnerId, at: Timestamp },
    #[error("too many hosts came with the roles token {0} lately")]
    TooMany(TokenId),
    #[error("{0} is the name of something else in the API, and cannot be a runner id")]
    RunnerIdReserved(RunnerId),
    #[error("the runner id {0} is not how the address {1} is spelt")]
    RunnerIdAddress(RunnerId, IpAddr),
    #[error(transparent)]
    InvalidFacts(#[from] InvalidFacts),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(EnrolError);
