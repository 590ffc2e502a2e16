//! A host as pages show it.

use crate::{
    cluster::{hosts_now::HostNow, permissions::ReadHosts, shown::RunnerView},
    model::Role,
    ui::{
        session::SignedIn,
        text::{Bar, Moment, Shown, gigabytes},
    },
    wire::runners::{RunnerInfo, RunnerProblem},
};

/// How something is doing: in a word, and by a class that gives it shape and colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub word: &'static str,
    pub class: &'static str,
    pub since: Option<Moment>,
}

pub struct RoleChip {
    pub name: Shown,
    pub class: &'static str,
    /// For those who do not see the colour.
    pub says: &'static str,
}

pub struct Problem {
    pub code: Shown,
    pub message: Shown,
    pub fix: Option<Shown>,
}

pub struct HostRow {
    /// As it stands in the address of its page; a runner's id needs no escaping there.
    pub id: String,
    pub name: Shown,
    pub address: String,
    pub zone: Shown,
    pub roles: Vec<RoleChip>,
    pub state: State,
    pub maintenance: bool,
    /// Of an allocator, what is used of what it offers.
    pub memory: Option<Bar>,
    pub total: String,
    pub problems: Vec<Problem>,
}

/// In which order states are sorted: what needs somebody first.
pub fn rank(host: &HostNow<'_>) -> u8 {
    match state(host).class {
        "bad" => 0,
        "warn" => 1,
        "off" => 2,
        _ => 3,
    }
}

pub fn state(host: &HostNow<'_>) -> State {
    let (member, state) = (&host.member, host.state());
    let of = |word, class| State { word, class, since: None };
    if !state.rivals.is_empty() {
        return of("Copied", "bad");
    }
    match (state.connected, state.lost_at) {
        (true, _) if !state.is_healthy(None) => of("Role failing", "warn"),
        (true, _) if member.roles.is_empty() && member.other_roles.is_empty() => {
            of("Waiting for roles", "wait")
        }
        (true, _) => of("Connected", "good"),
        (false, Some(at)) => State { since: Some(at.into()), ..of("Lost", "bad") },
        (false, None) => of("Not connected yet", "off"),
    }
}

fn role_chips(host: &HostNow<'_>) -> Vec<RoleChip> {
    let (member, state) = (&host.member, host.state());
    let chip = |role: Role| {
        let (class, says) = match (state.connected, state.is_healthy(Some(role))) {
            (false, _) => ("off", "not running: the host is not connected"),
            (true, true) => ("good", "running"),
            (true, false) => ("warn", "failing"),
        };
        RoleChip { name: Shown::short(role.name()), class, says }
    };
    let other = |name: &String| RoleChip {
        name: Shown::short(name),
        class: "plain",
        says: "a name that is kept, and runs nothing",
    };
    member.roles.iter().map(chip).chain(member.other_roles.iter().map(other)).collect()
}

fn problem(problem: &RunnerProblem) -> Problem {
    Problem {
        code: Shown::short(&problem.code),
        message: Shown::long(&problem.message),
        fix: problem.fix.as_deref().map(Shown::long),
    }
}

impl HostRow {
    pub fn of(view: &RunnerView<'_>) -> Self {
        let info: RunnerInfo = view.info();
        let RunnerView(host) = view;
        let member = &host.member;
        let offers = member.has(Role::Allocator).then(|| Bar::of(0, member.capacity_mb().0));
        Self {
            id: member.runner_id.to_string(),
            name: Shown::short(member.runner_id.as_str()),
            address: member.facts.host_ip.to_string(),
            zone: Shown::short(member.facts.zone.as_str()),
            roles: role_chips(host),
            state: state(host),
            maintenance: member.allocator.maintenance_since.is_some(),
            memory: offers,
            total: gigabytes(member.facts.memory_bytes >> 20),
            problems: info.problems.iter().map(problem).collect(),
        }
    }
}

/// What may be done with hosts, by whoever looks at them.
pub fn may_change(by: &SignedIn<ReadHosts>) -> bool {
    by.may::<crate::cluster::permissions::ChangeHosts>()
}
