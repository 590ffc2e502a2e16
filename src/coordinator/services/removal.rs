use serde_json::json;

use super::{
    Attempt, carry_out,
    enrolment::roles_of_the_first_host,
    roles::{SetRolesError, remove_role},
};
use crate::{
    coordinator::{
        app::App,
        change::{Change, Origin},
        records::{HostRecord, KeyRecord, decode, put},
    },
    model::{Role, RunnerId},
    store::{Op, StoreError},
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
    Store(#[from] StoreError),
}

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
    remove_role(app, origin, runner, Role::Allocator, "allocator.delete").await.map_err(|error| {
        match error {
            SetRolesError::LastOfItsKind { runner, role } => {
                RemoveError::LastOfItsKind { runner, role }
            }
            SetRolesError::Store(error) => error.into(),
            SetRolesError::RunnerNotFound(_)
            | SetRolesError::InvalidName(_)
            | SetRolesError::NotAvailable(_) => RemoveError::NotFound,
        }
    })
}

/// Removes a host that is not connected. Its key stays known as that of a removed host.
pub async fn remove_runner(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
) -> Result<(), RemoveError> {
    let path = &HostRecord::path(runner);
    carry_out(app, origin, |now| { Box::pin(async move {
        let record = app.store.get(path).await?.ok_or(RemoveError::NotFound)?;
        let host: HostRecord = decode(&record)?;
        if let Some(role) = roles_of_the_first_host(&host.roles).iter().next() {
            return Err(RemoveError::LastOfItsKind { runner: runner.clone(), role });
        }
        if app.liveness.is_connected(runner) {
            return Err(RemoveError::Connected(runner.clone()));
        }
        let key_path = KeyRecord::path(&host.key);
        let key = app.store.get(&key_path).await?.ok_or(RemoveError::NotFound)?;
        let tombstone = KeyRecord::Removed { runner_id: runner.clone(), at: now };
        let change = Change {
            ops: vec![
                Op::Delete { path: path.clone(), version: record.version },
                put(key_path, &tombstone, key.version),
            ],
            action: "host.delete",
            subject: runner.to_string(),
            before: json!({ "key": host.key, "roles": host.roles, "host_ip": host.facts.host_ip }),
            after: json!(null),
        };
        Ok(Attempt::Commit(change, ()))
    }) })
    .await
}
