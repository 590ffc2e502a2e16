//! What the daemon knows about itself, for whoever asks on this host.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::identity::Identity;
use crate::{
    config::HostSettings,
    model::{CoordinatorAddress, Failure, Role, RunnerId, SessionId},
    rt::Timestamp,
    wire::hosts::{Notice, RoleHealth},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It is not a member yet, and tries to become one.
    Joining,
    /// It has not reached a coordinator yet, or lost it; it keeps trying.
    Connecting,
    Connected,
    /// The cluster refuses it; trying again will not help.
    Refused,
    Stopping,
}

/// The daemon's account of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Absent as long as the host is not a member, unless it was given one.
    pub runner_id: Option<RunnerId>,
    /// Absent as long as the host is not a member.
    pub cluster_id: Option<String>,
    pub state: AgentState,
    /// RFC 3339: when `state` became what it is.
    pub since: String,
    pub connected: bool,
    /// The coordinator it is connected to, or tried last.
    pub coordinator: Option<CoordinatorAddress>,
    pub host_ip: Option<IpAddr>,
    pub roles: BTreeMap<Role, RoleStatus>,
    pub desired_revision: u64,
    /// The cluster places nothing new on this host.
    #[serde(default)]
    pub maintenance: bool,
    /// Why it is not connected.
    pub problem: Option<Problem>,
    pub warnings: Vec<Problem>,
    pub session: SessionId,
    pub pid: u32,
    pub version: String,
    /// The file of the program that runs; nobody but root may read it off the process.
    #[serde(default)]
    pub program: Option<PathBuf>,
    pub first_host: bool,
    /// What this run of the daemon has read of the host's settings.
    #[serde(default)]
    pub settings: Option<HostSettings>,
}

impl Status {
    /// What a daemon says before it has reached anybody.
    pub fn at_start(identity: &Identity, session: SessionId, now: Timestamp) -> Self {
        Self {
            cluster_id: Some(identity.cluster_id.clone()),
            state: AgentState::Connecting,
            host_ip: Some(identity.host_ip),
            first_host: identity.first_host,
            settings: Some(identity.settings.clone()),
            ..Self::before_joining(Some(identity.runner_id.clone()), session, now)
        }
    }

    /// What a host says that is not a member yet.
    pub fn before_joining(runner_id: Option<RunnerId>, session: SessionId, now: Timestamp) -> Self {
        Self {
            runner_id,
            cluster_id: None,
            state: AgentState::Joining,
            since: now.rfc3339(),
            connected: false,
            coordinator: None,
            host_ip: None,
            roles: BTreeMap::new(),
            desired_revision: 0,
            maintenance: false,
            problem: None,
            warnings: Vec::new(),
            session,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program: std::env::current_exe().ok(),
            first_host: false,
            settings: None,
        }
    }

    /// Without advice of a daemon that is trusted less than whoever reads it.
    pub(super) fn untrusted(mut self) -> Self {
        let own = |problem: Problem| {
            Problem::from(&Failure::from_untrusted(&problem.code, &problem.message))
        };
        self.problem = self.problem.map(own);
        self.warnings = self.warnings.into_iter().map(own).collect();
        let roles = self.roles.into_iter().map(|(role, health)| (role, health.untrusted()));
        self.roles = roles.collect();
        self
    }

    /// The host's name, as far as it is known.
    pub fn name(&self) -> &str {
        self.runner_id.as_ref().map_or("(no name yet)", RunnerId::as_str)
    }
}

pub type RoleStatus = RoleHealth;

/// A failure as others read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    pub fix: String,
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code().to_owned(),
            message: failure.message.clone(),
            fix: failure.fix.to_string(),
        }
    }
}

impl From<Notice> for Problem {
    fn from(Notice { code, message, fix }: Notice) -> Self {
        Self { code, message, fix }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure::from_wire(&problem.code, problem.message, Some(problem.fix))
    }
}

/// Where the daemon writes its status, and others follow it.
#[derive(Debug, Clone)]
pub struct StatusBoard(watch::Sender<Status>);

impl StatusBoard {
    pub fn new(status: Status) -> Self {
        Self(watch::Sender::new(status))
    }

    pub fn follow(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    pub fn read(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Moves to `state`; the time is kept if it was in it before.
    pub fn set_state(&self, state: AgentState, problem: Option<&Failure>, now: Timestamp) {
        self.0.send_if_modified(|status| {
            let problem = problem.map(Problem::from);
            if status.state == state && status.problem == problem {
                return false;
            }
            if status.state != state {
                status.since = now.rfc3339();
            }
            status.state = state;
            status.connected = state == AgentState::Connected;
            status.problem = problem;
            true
        });
    }

    pub fn set_roles(&self, roles: BTreeMap<Role, RoleStatus>) {
        self.0.send_if_modified(|status| {
            let changed = status.roles != roles;
            status.roles = roles;
            changed
        });
    }

    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(change);
    }
}
