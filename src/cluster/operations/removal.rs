use serde_json::json;

use super::{
    Attempt, Unfinished, carry_out, comments,
    enrolment::Caller,
    roles::{last_of_its_kind, role_change, roles_of_the_first_host, with_roles},
    stops_at_the_store,
};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{Actor, HostRecord, KeyRecord, decode, put},
    },
    model::{KeyId, Role, RunnerId, TokenId},
    store::{Op, Room},
};

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error("there is no such host")]
    NotFound,
    #[error("{0} is connected; stop its daemon first")]
    Connected(RunnerId),
    #[error("{runner} is the only host with the role {role}, which cannot be taken away")]
    LastOfItsKind { runner: RunnerId, role: Role },
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
    app.member(runner.as_str(), Some(Role::Allocator)).ok_or(RemoveError::NotFound)?;
    if app.liveness.is_connected(runner) {
        return Err(RemoveError::Connected(runner.clone()));
    }
    remove_role(app, origin, runner, Role::Allocator, "allocator.delete").await
}

/// Takes one role away.
pub async fn remove_role(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    role: Role,
    action: &'static str,
) -> Result<(), RemoveError> {
    let path = &HostRecord::path(runner);
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or(RemoveError::NotFound)?;
            let before: HostRecord = decode(&record)?;
            let mut roles = before.roles.clone();
            roles.remove(role);
            if roles == before.roles {
                return Ok(Attempt::Settled(()));
            }
            if let Some(role) = last_of_its_kind(app, &before, &roles) {
                return Err(RemoveError::LastOfItsKind { runner: runner.clone(), role });
            }
            let after = with_roles(&before, roles, before.other_roles.clone());
            let ops = vec![put(path.clone(), &after, record.version)];
            Ok(Attempt::Commit(role_change(ops, action, &before, &after), ()))
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
    remove(app, origin, runner, "host.delete", |host| match app.liveness.is_connected(runner) {
        true => Err(RemoveError::Connected(host.runner_id.clone())),
        false => Ok(()),
    })
    .await?;
    Ok(())
}

/// Removes a host, connected or not; its session ends.
pub async fn evict_runner(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
) -> Result<(), RemoveError> {
    let key = remove(app, origin, runner, "host.evict", |_| Ok(())).await?;
    app.liveness.removed(runner, key);
    Ok(())
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
    let same = |host: &HostRecord| match host.key == caller.key {
        true => Ok(()),
        false => Err(RemoveError::NotFound),
    };
    let key = remove(app, &origin, runner, "host.leave", same).await?;
    app.liveness.removed(runner, key);
    Ok(())
}

/// Removes the hosts that came in with this token, connected or not; who they were.
pub async fn evict_hosts_of(
    app: &App,
    origin: &Origin,
    token: TokenId,
) -> Result<Vec<RunnerId>, Unfinished> {
    let came_with_it = |host: &HostRecord| host.joined.token == Some(token);
    let hosts = app.registry.hosts().into_iter().filter(|host| came_with_it(host));
    let hosts: Vec<RunnerId> = hosts.map(|host| host.runner_id.clone()).collect();
    let mut evicted = Vec::new();
    for runner in hosts {
        // Somebody else may have taken the name since.
        let same = |host: &HostRecord| match came_with_it(host) {
            true => Ok(()),
            false => Err(RemoveError::NotFound),
        };
        match remove(app, origin, &runner, "host.evict", same).await {
            Ok(key) => {
                app.liveness.removed(&runner, key);
                evicted.push(runner);
            }
            Err(RemoveError::Unfinished(error)) => return Err(error),
            Err(error) => {
                tracing::warn!(%runner, %error, "the host {runner} was not evicted: {error}")
            }
        }
    }
    Ok(evicted)
}

/// Removes a host that `check` lets go; its key.
async fn remove(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    action: &'static str,
    check: impl Fn(&HostRecord) -> Result<(), RemoveError> + Sync,
) -> Result<KeyId, RemoveError> {
    let (path, check) = (&HostRecord::path(runner), &check);
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or(RemoveError::NotFound)?;
            let host: HostRecord = decode(&record)?;
            if let Some(role) = roles_of_the_first_host(&host.roles).iter().next() {
                return Err(RemoveError::LastOfItsKind { runner: runner.clone(), role });
            }
            check(&host)?;
            let key_path = KeyRecord::path(&host.key);
            let key = app.store.get(&key_path).await?.ok_or(RemoveError::NotFound)?;
            let tombstone = KeyRecord::Removed { runner_id: runner.clone(), at: now };
            let mut ops = comments::deletions(app, runner).await?;
            ops.push(Op::Delete { path: path.clone(), version: record.version });
            ops.push(put(key_path, &tombstone, key.version));
            let change = Change {
                ops,
                action,
                room: Room::Reserve,
                subject: runner.to_string(),
                before: host.in_audit(),
                after: json!(null),
            };
            Ok(Attempt::Commit(change, host.key))
        })
    })
    .await
}
