use serde_json::json;

use super::{
    Attempt, Caller, Unfinished, carry_out, comments,
    presence::StoredPresence,
    roles::{Last, last_of_its_kind, role_change, roles_of_the_first_host},
    stops_at_the_store,
    stored::{Removable, StoredMember},
};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{Actor, IdentityRecord},
    },
    model::{Role, RunnerId, TokenId},
    store::{Room, StorePath},
};

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error("there is no such host")]
    NotFound,
    #[error("{0} is connected; stop its daemon first")]
    Connected(RunnerId),
    #[error("{runner} is the only host with the role {role}, which cannot be taken away")]
    LastOfItsKind { runner: RunnerId, role: Role },
    #[error(
        "the record {record} of {runner} cannot be read, and without it nobody can say whether the host may go"
    )]
    Unreadable { runner: RunnerId, record: StorePath },
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(RemoveError);

/// Takes the allocator role from a host that is not connected.
pub async fn remove_allocator(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
) -> Result<(), RemoveError> {
    let role = (Role::Allocator, "allocator.delete");
    take_role(app, origin, runner, role, Whom::Disconnected).await
}

/// Takes one role away.
pub async fn remove_role(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    role: Role,
    action: &'static str,
) -> Result<(), RemoveError> {
    take_role(app, origin, runner, (role, action), Whom::Any).await
}

/// From which hosts a role is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Any,
    Disconnected,
}

async fn take_role(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    (role, action): (Role, &'static str),
    whom: Whom,
) -> Result<(), RemoveError> {
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let stored = StoredMember::read(&*app.store, runner).await?;
            let stored = stored.ok_or(RemoveError::NotFound)?;
            let before = &stored.member;
            if !before.has(role) {
                return match whom {
                    Whom::Any => Ok(Attempt::Settled(())),
                    Whom::Disconnected => Err(RemoveError::NotFound),
                };
            }
            let mut roles = before.roles.clone();
            roles.remove(role);
            let mut held = match last_of_its_kind(app, before, &roles).await? {
                Last::Of(role) => {
                    return Err(RemoveError::LastOfItsKind { runner: runner.clone(), role });
                }
                Last::OfNone(held) => held,
            };
            if whom == Whom::Disconnected {
                let presence = StoredPresence::read(app, runner).await?;
                if presence.connected {
                    return Err(RemoveError::Connected(runner.clone()));
                }
                held.push(presence.is_unchanged());
            }
            let after = before.with_roles(roles, before.other_roles.clone());
            held.extend(stored.with_desired(&after.desired()));
            Ok(Attempt::Commit(role_change(held, action, before, &after), ()))
        })
    })
    .await
}

/// Removes a host that is not connected. Its key stays known as that of a removed host.
pub async fn remove_runner(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
) -> Result<(), RemoveError> {
    remove(app, origin, runner, "host.delete", |_, connected| match connected {
        true => Err(RemoveError::Connected(runner.clone())),
        false => Ok(()),
    })
    .await
}

/// Removes a host, connected or not; its session ends.
pub async fn evict_runner(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
) -> Result<(), RemoveError> {
    remove(app, origin, runner, "host.evict", |_, _| Ok(())).await
}

/// Removes the host that asks for it with its own key; its session ends.
pub async fn leave(app: &App, caller: Caller, runner: &RunnerId) -> Result<(), RemoveError> {
    let origin = Origin {
        actor: Actor::Host(runner.clone()),
        address: caller.address,
        request_id: caller.request_id,
        standing: None,
    };
    // A host of this name with another key is another host.
    let same = |host: Option<&IdentityRecord>, _| match host {
        Some(host) if host.key == caller.key => Ok(()),
        _ => Err(RemoveError::NotFound),
    };
    remove(app, &origin, runner, "host.leave", same).await
}

/// Hosts that were removed, and how many have not been looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Evicted {
    pub hosts: Vec<RunnerId>,
    pub left: usize,
}

/// Removes the hosts that came in with this token, connected or not, and at most so many of them.
pub async fn evict_hosts_of(
    app: &App,
    origin: &Origin,
    token: TokenId,
    most: usize,
) -> Result<Evicted, Unfinished> {
    let came_with_it = |host: &IdentityRecord| host.joined.token == Some(token);
    let mut evicted = Vec::new();
    let mut all = app.registry.let_in_by(token).into_iter();
    while evicted.len() < most
        && let Some(runner) = all.next()
    {
        // Somebody else may have taken the name since.
        let same = |host: Option<&IdentityRecord>, _| match host.is_some_and(came_with_it) {
            true => Ok(()),
            false => Err(RemoveError::NotFound),
        };
        match remove(app, origin, &runner, "host.evict", same).await {
            Ok(()) => evicted.push(runner),
            Err(RemoveError::Unfinished(error)) => return Err(error),
            Err(error) => {
                tracing::warn!(%runner, %error, "the host {runner} was not evicted: {error}")
            }
        }
    }
    Ok(Evicted { hosts: evicted, left: all.len() })
}

/// Removes a host that `check` lets go, which hears who it is, if that can be read, and whether it is
/// connected; its session ends.
async fn remove(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    action: &'static str,
    check: impl Fn(Option<&IdentityRecord>, bool) -> Result<(), RemoveError> + Sync,
) -> Result<(), RemoveError> {
    let check = &check;
    let keys = carry_out(app, origin, |now| {
        Box::pin(async move {
            let unreadable = |record| RemoveError::Unreadable { runner: runner.clone(), record };
            let keys = || app.registry.keys_of(runner);
            let stored = Removable::find(&*app.store, runner, keys).await?.map_err(unreadable)?;
            let stored = stored.ok_or(RemoveError::NotFound)?;
            let roles = stored.roles().map_err(unreadable)?;
            if let Some(role) = roles_of_the_first_host(roles).iter().next() {
                return Err(RemoveError::LastOfItsKind { runner: runner.clone(), role });
            }
            let presence = StoredPresence::read(app, runner).await?;
            check(stored.identity.as_ref(), presence.connected)?;
            let mut ops = comments::deletions(app, runner).await?;
            ops.extend(presence.ends());
            ops.extend(stored.removed(now));
            let change = Change {
                ops,
                action,
                room: Room::Reserve,
                subject: runner.to_string(),
                before: stored.parts.in_audit(),
                after: json!(null),
            };
            Ok(Attempt::Commit(change, stored.keys()))
        })
    });
    keys.await?.into_iter().for_each(|key| app.liveness.removed(runner, key));
    Ok(())
}
