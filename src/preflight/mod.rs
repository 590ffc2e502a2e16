//! Whether this machine can be what it is asked to be. One check a file; each has a stable code,
//! and says what was found, what is needed, and the command that makes it right.

mod address;
mod capacity;
mod cgroup;
mod clock;
mod coordinator;
mod disk;
mod installed;
mod kernel;
mod machine_id;
mod memory;
mod open_files;
mod ports;
mod proxy;
mod service;
mod storage;
mod swap;
mod tags;

use std::{borrow::Cow, net::IpAddr};

use crate::{
    config::HostSettings,
    host::Machine,
    model::{Code, Failure, RoleSet, RunnerId},
};

pub use clock::clock_skew;
pub use coordinator::{Reach, ReachStep, reach};
pub use ports::taken_port;
pub use storage::{Denied, may_use, unusable};

/// What the checks look at.
pub struct Context<'a> {
    pub machine: &'a dyn Machine,
    pub settings: &'a HostSettings,
    pub roles: &'a RoleSet,
    /// The one address that the ports will be bound on; `None` for all.
    pub bind: Option<IpAddr>,
    /// Nobody relies on this host: what production needs is only a warning.
    pub relaxed: bool,
    /// The daemon is going to be a service, whoever makes these checks.
    pub as_service: bool,
    /// Nothing may be written: what can be known only by trying is left out.
    pub look_only: bool,
    /// What is in the way of the user that the daemon runs as, if that is another one.
    pub denied: Option<Denied>,
    /// The host that is installed here already, as far as that matters.
    pub installed: Option<RunnerId>,
    /// What became of trying to reach the coordinator, if there is one to reach.
    pub reach: Option<&'a Reach>,
    /// Checks not to make.
    pub skip: &'a [Code],
    /// Proxies that the environment names: variable and value.
    pub proxies: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Ok,
    Skipped,
    Warning,
    Error,
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub code: Code,
    pub severity: Severity,
    pub found: String,
    pub needed: Cow<'static, str>,
    pub fix: Cow<'static, str>,
    /// What exactly went wrong, where the check has several ways to.
    pub cause: Option<Failure>,
    /// It would have stopped an installation, or was not made, because the operator wanted it so.
    pub overridden: bool,
}

/// A check: `None` where it does not apply.
type Check = fn(&Context<'_>) -> Option<Outcome>;

const CHECKS: [(Code, Check); 19] = [
    (Code::PreflightMemory, memory::check),
    (Code::PreflightCapacity, capacity::check),
    (Code::StateNotWritable, storage::check),
    (Code::PreflightDisk, disk::check),
    (Code::PreflightPort, ports::check),
    (Code::PreflightCoordinator, coordinator::check),
    (Code::PreflightClock, clock::check),
    (Code::PreflightRoute, address::check),
    (Code::PreflightProxy, proxy::check),
    (Code::PreflightKernel, kernel::check),
    (Code::PreflightMaxMapCount, kernel::check_max_map_count),
    (Code::PreflightOpenFiles, open_files::check),
    (Code::PreflightCgroup, cgroup::check),
    (Code::PreflightSwap, swap::check),
    (Code::PreflightTags, tags::check),
    (Code::PreflightMachineId, machine_id::check),
    (Code::PreflightInstalled, installed::check),
    (Code::PreflightUser, service::check_user),
    (Code::PreflightSystemd, service::check_systemd),
];

/// Makes all checks that apply.
pub fn check(context: &Context<'_>) -> Vec<Outcome> {
    let one = |(code, check): &(Code, Check)| match context.skip.contains(code) {
        true => Some(Outcome {
            overridden: true,
            ..Outcome::of(*code, Severity::Skipped, "not looked at", "")
        }),
        false => check(context),
    };
    CHECKS.iter().filter_map(one).collect()
}

/// The checks that can be skipped.
pub fn codes() -> impl Iterator<Item = Code> {
    CHECKS.iter().map(|(code, _)| *code)
}

impl Outcome {
    fn of(
        code: Code,
        severity: Severity,
        found: impl Into<String>,
        needed: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (found, needed) = (found.into(), needed.into());
        let fix = code.fix().into();
        Self { code, severity, found, needed, fix, cause: None, overridden: false }
    }

    /// What stops an installation before any check.
    pub fn stopped_by(failure: &Failure) -> Self {
        let code = Code::from_name(failure.code()).unwrap_or(Code::Internal);
        let fix = failure.fix.to_string();
        Self::of(code, Severity::Error, failure.message.clone(), "").with_fix(fix)
    }

    /// What was looked at before any check, and is as it should be.
    pub fn well(code: Code, found: String) -> Self {
        Self::of(code, Severity::Ok, found, "")
    }

    /// Ok if `good`, else `bad`.
    fn judge(
        code: Code,
        good: bool,
        bad: Severity,
        found: impl Into<String>,
        needed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::of(code, if good { Severity::Ok } else { bad }, found, needed)
    }

    /// The same for what a production host must have.
    fn judge_production(
        context: &Context<'_>,
        code: Code,
        good: bool,
        found: impl Into<String>,
        needed: impl Into<Cow<'static, str>>,
    ) -> Self {
        let bad = if context.relaxed { Severity::Warning } else { Severity::Error };
        let overridden = !good && context.relaxed;
        Self { overridden, ..Self::judge(code, good, bad, found, needed) }
    }

    fn with_fix(mut self, fix: impl Into<Cow<'static, str>>) -> Self {
        self.fix = fix.into();
        self
    }

    /// What to tell of it, if it is not as it should be.
    pub fn failure(&self) -> Option<Failure> {
        if self.severity < Severity::Warning {
            return None;
        }
        if let Some(cause) = &self.cause {
            return Some(cause.clone());
        }
        let message = match &*self.needed {
            "" => self.found.clone(),
            needed => format!("{}; needed: {needed}", self.found),
        };
        Some(Failure::new(self.code, message).with_fix(self.fix.clone()))
    }
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Skipped => "skipped",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests;
