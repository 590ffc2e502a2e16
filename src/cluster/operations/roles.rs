use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Attempt, BATCH, Unfinished, carry_out, documents::held_at, stops_at_the_store,
    stored::StoredMember,
};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        member::Member,
        records::{DesiredRecord, MemberPart, readable},
    },
    model::{Role, RoleSet, RunnerId},
    store::{Op, PageFrom, Room, StoreError, StorePath},
};

/// Why a host is not blessed with a role, or not freed from it.
#[derive(Debug, thiserror::Error)]
pub enum BlessError {
    #[error("the role has changed since: its version is {0}")]
    Redefined(u64),
    #[error(transparent)]
    Roles(#[from] SetRolesError),
}

impl From<Unfinished> for BlessError {
    fn from(error: Unfinished) -> Self {
        SetRolesError::from(error).into()
    }
}

stops_at_the_store!(BlessError);

/// The definition of a role, of which version it must be.
#[derive(Debug, Clone, Copy)]
pub struct Definition<'a> {
    pub kind: &'a str,
    pub id: &'a str,
    pub version: u64,
}

/// The roles that a host is to have: those that this program runs, and names that ECE's tools
/// keep on a host beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedRoles {
    pub roles: RoleSet,
    pub other: BTreeSet<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SetRolesError {
    #[error("there is no runner {0}")]
    RunnerNotFound(RunnerId),
    #[error("{0:?} is not the name of a role")]
    InvalidName(String),
    #[error("no other host than the first can be given {roles} in this version", roles = .0.in_words())]
    NotAvailable(RoleSet),
    #[error("the roles of the host have changed since: their version is {0}")]
    Changed(u64),
    #[error("{runner} is the only host with the role {role}, which cannot be taken away")]
    LastOfItsKind { runner: RunnerId, role: Role },
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(SetRolesError);

/// Names beside the roles of this program that a host has at most.
const MOST_OTHER: usize = 64;

impl WantedRoles {
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, SetRolesError> {
        let mut wanted = Self::default();
        for name in names {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if let Ok(role) = name.parse::<Role>() {
                wanted.roles.insert(role);
            } else if (1..=64).contains(&name.len())
                && name.chars().all(allowed)
                && wanted.other.len() < MOST_OTHER
            {
                wanted.other.insert(name.to_owned());
            } else {
                return Err(SetRolesError::InvalidName(name.chars().take(64).collect()));
            }
        }
        Ok(wanted)
    }
}

/// Gives a host exactly these roles. A connected host hears of it at once.
pub async fn set_roles(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    wanted: WantedRoles,
) -> Result<(), SetRolesError> {
    set_roles_at(app, origin, runner, wanted, None).await
}

/// The same, if these are still the roles of which somebody has seen this version.
pub async fn set_roles_at(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    wanted: WantedRoles,
    version: Option<u64>,
) -> Result<(), SetRolesError> {
    let wanted = |host: &Member| match host.desired().revision {
        now if version.is_some_and(|seen| seen != now) => Err(SetRolesError::Changed(now)),
        _ => Ok(wanted.clone()),
    };
    match change_roles(app, origin, runner, None, wanted).await {
        Ok(()) => Ok(()),
        Err(BlessError::Roles(error)) => Err(error),
        Err(BlessError::Redefined(_)) => unreachable!("no definition was named"),
    }
}

pub(super) async fn change_roles(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    definition: Option<Definition<'_>>,
    wanted: impl Fn(&Member) -> Result<WantedRoles, SetRolesError> + Sync,
) -> Result<(), BlessError> {
    let wanted = &wanted;
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let stored = StoredMember::read(&*app.store, runner).await?;
            let stored = stored.ok_or_else(|| SetRolesError::RunnerNotFound(runner.clone()))?;
            let before = &stored.member;
            let WantedRoles { roles, other } = wanted(before)?;
            if before.roles == roles && before.other_roles == other {
                return Ok(Attempt::Settled(()));
            }
            if let Some(one_too_many) = other.difference(&before.other_roles).next()
                && other.len() > MOST_OTHER
            {
                return Err(SetRolesError::InvalidName(one_too_many.clone()).into());
            }
            let mut ops = check_change(app, before, &roles).await?;
            if let Some(Definition { kind, id, version }) = definition {
                let held = held_at(app, (kind, id), version, BlessError::Redefined);
                ops.push(held.await?);
            }
            let after = before.with_roles(roles, other);
            ops.extend(stored.with_desired(&after.desired()));
            let change = role_change(ops, "host.roles", before, &after);
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}

pub(super) fn role_change(
    ops: Vec<Op>,
    action: &'static str,
    before: &Member,
    after: &Member,
) -> Change {
    Change {
        ops,
        action,
        // Fewer roles are access that is taken away.
        room: match after.roles.beyond(&before.roles).is_empty() {
            true => Room::Reserve,
            false => Room::Ordinary,
        },
        subject: before.runner_id.to_string(),
        before: roles_in_audit(before),
        after: roles_in_audit(after),
    }
}

/// What a change to these roles holds on to; an error if it cannot be.
async fn check_change(
    app: &App,
    before: &Member,
    roles: &RoleSet,
) -> Result<Vec<Op>, SetRolesError> {
    let unavailable = roles_of_the_first_host(&roles.beyond(&before.roles));
    if !unavailable.is_empty() {
        return Err(SetRolesError::NotAvailable(unavailable));
    }
    match last_of_its_kind(app, before, roles).await? {
        Last::OfNone(held) => Ok(held),
        Last::Of(role) => {
            Err(SetRolesError::LastOfItsKind { runner: before.runner_id.clone(), role })
        }
    }
}

/// Whether a host is the last one with a role.
pub(super) enum Last {
    Of(Role),
    /// Others have those that it loses, which is to be held on to.
    OfNone(Vec<Op>),
}

/// Whether there is a role that no host would have if this one had only `roles`. What others have
/// is read from the store, and held: of two that are taken from the last two, one stays.
pub(super) async fn last_of_its_kind(
    app: &App,
    before: &Member,
    roles: &RoleSet,
) -> Result<Last, StoreError> {
    let mut lost = roles_of_the_first_host(&before.roles.beyond(roles));
    let mut held = Vec::new();
    let mut last: Option<StorePath> = None;
    loop {
        let Some(role) = lost.iter().next() else { return Ok(Last::OfNone(held)) };
        let from = last.as_ref().map_or(PageFrom::Start, PageFrom::After);
        let page = app.store.page(&MemberPart::root(), from, BATCH).await?;
        let Some(end) = page.last() else { return Ok(Last::Of(role)) };
        last = Some(end.path.clone());
        for record in page {
            match MemberPart::at(&record.path) {
                Some((runner, MemberPart::Desired)) if runner != before.runner_id => {}
                _ => continue,
            }
            let Some(other) = readable::<DesiredRecord>(&record)? else { continue };
            let still_lost: RoleSet = lost.beyond(&other.roles);
            if still_lost != lost {
                lost = still_lost;
                held.push(Op::Check { path: record.path, version: record.version });
            }
        }
    }
}

/// Those of `roles` that need what only the first host has: without a replicated datastore
/// there is one coordinator and one director.
pub(super) fn roles_of_the_first_host(roles: &RoleSet) -> RoleSet {
    roles.iter().filter(|role| matches!(role, Role::Coordinator | Role::Director)).collect()
}

fn roles_in_audit(host: &Member) -> Value {
    json!({ "roles": host.roles, "other_roles": host.other_roles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_the_four_roles_are_kept_and_odd_ones_refused() {
        let wanted = WantedRoles::from_names(["proxy", "services-forwarder"]).expect("valid");
        assert_eq!(wanted.roles.to_string(), "proxy");
        assert_eq!(wanted.other, BTreeSet::from(["services-forwarder".to_owned()]));
        for bad in ["", "a b", "Allocator", &"x".repeat(65)] {
            assert!(WantedRoles::from_names([bad]).is_err(), "{bad:?}");
        }
    }
}
