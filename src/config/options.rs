use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{FromFile, GivenSettings, GivenToken, HostSettings, JoinRoute, StateDir};
use crate::{
    model::{Code, CoordinatorAddress, Fingerprint, RoleSet, RunnerId},
    token::UnverifiedToken,
    wire::hosts::SecretText,
};

/// What `install` is to do, with nothing left to check but the world. It travels, over a pipe, from
/// the privileged process to the one that is the service user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstallOptions {
    pub purpose: Purpose,
    pub settings: HostSettings,
    /// Which of the settings were given.
    pub given: GivenSettings,
    /// Roles were given, be it none; else they are what is usual.
    pub roles_given: bool,
    pub runner_id: Option<RunnerId>,
    pub state_dir: StateDir,
    pub foreground: bool,
    pub timeout: Duration,
    /// How long to try a coordinator that cannot be reached.
    pub wait_for_coordinator: Duration,
    /// Do not wait until the host is connected.
    pub no_wait: bool,
    pub dry_run: bool,
    pub force: bool,
    /// Checks not to make.
    pub skip: Vec<Code>,
    pub replace: bool,
    pub new_identity: bool,
    /// Print the secrets of a first host.
    pub show_secrets: bool,
    /// Flags that were given and do nothing here.
    pub without_effect: Vec<String>,
    pub from_file: FromFile,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Purpose {
    FirstHost(FirstHostOptions),
    Join(JoinOptions),
    /// To stay the member that the host is: no token was given.
    Stay(StayOptions),
}

/// What a host is already where `install` is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    None,
    Joined,
    FirstHost,
    /// It had joined a cluster, and is to be let in again.
    Former,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FirstHostOptions {
    pub roles: RoleSet,
    /// Root's key for the plan of the cluster, which lies where the service user can write.
    pub plan_key: Option<SecretText>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinOptions {
    /// Empty: where the token says.
    pub coordinators: Vec<CoordinatorAddress>,
    pub token: GivenToken,
    pub roles: RoleSet,
    /// Pins beside those in the token.
    pub pins: Vec<Fingerprint>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StayOptions {
    pub first_host: bool,
    /// Those that were named.
    pub coordinators: Vec<CoordinatorAddress>,
    pub roles: RoleSet,
    pub pins: Vec<Fingerprint>,
}

/// What `check` is to look at.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    pub settings: HostSettings,
    pub roles: RoleSet,
    /// Without coordinators none is looked for.
    pub route: JoinRoute,
    /// The token, if one was given.
    pub token: Option<UnverifiedToken>,
    pub state_dir: StateDir,
    pub relaxed: bool,
    pub skip: Vec<Code>,
}

impl Purpose {
    pub fn roles(&self) -> &RoleSet {
        match self {
            Purpose::FirstHost(first) => &first.roles,
            Purpose::Join(join) => &join.roles,
            Purpose::Stay(stay) => &stay.roles,
        }
    }

    /// The way to the coordinators, where both were given to a host that had joined.
    pub fn route_of_member(&self) -> Option<JoinRoute> {
        let Purpose::Stay(StayOptions { first_host: false, coordinators, pins, .. }) = self else {
            return None;
        };
        let route = JoinRoute { coordinators: coordinators.clone(), pins: pins.clone() };
        route.checked().ok()
    }

    /// The coordinators that were named.
    pub fn coordinators(&self) -> &[CoordinatorAddress] {
        match self {
            Purpose::FirstHost(_) => &[],
            Purpose::Join(join) => &join.coordinators,
            Purpose::Stay(stay) => &stay.coordinators,
        }
    }

    /// Whether the host is, or becomes, the first of its cluster.
    pub fn is_first_host(&self) -> bool {
        match self {
            Purpose::FirstHost(_) => true,
            Purpose::Join(_) => false,
            Purpose::Stay(stay) => stay.first_host,
        }
    }
}

/// The one address that a coordinator on `host_ip` binds its ports on, or `None` for all: a host
/// on a loopback address is for itself alone.
pub fn only_address(host_ip: IpAddr) -> Option<IpAddr> {
    host_ip.is_loopback().then_some(host_ip)
}
