//! What a coordinator does, one operation a file. Handlers call these and nothing else.

pub mod allocators;
pub mod api_keys;
pub mod audit;
pub mod blessings;
mod caller;
pub mod comments;
pub mod document_secrets;
pub mod documents;
pub mod enrolment;
pub mod members;
mod presence;
pub mod removal;
pub mod roles;
pub mod sessions;
mod stored;
pub mod tokens;
mod unfinished;
pub mod users;
pub mod web_sessions;

use std::pin::Pin;

pub use super::change::Unfinished;
pub use caller::Caller;
use unfinished::stops_at_the_store;

use super::{
    app::App,
    change::{Change, ChangeError, CommittedChange, Origin},
    records::{AdditionsRecord, create, put},
};
use crate::{
    rt::Timestamp,
    store::{CommitError, Op, Room, SharedStore, StoreError},
};

/// How often a change is tried anew after losing a race for a record. Each loss means that
/// somebody else's change went through.
const ATTEMPTS: usize = 16;

/// What an attempt at an operation came to, after reading the records it depends on.
enum Attempt<T> {
    /// There is nothing to change.
    Settled(T),
    /// With this change, the result is that.
    Commit(Change, T),
}

/// An attempt that is under way. It is boxed, since a handler's future must be `Send` for all
/// lifetimes, which an async closure's is not.
type Attempting<'a, T, E> = Pin<Box<dyn Future<Output = Result<Attempt<T>, E>> + Send + 'a>>;

/// Reads, decides and commits, anew each time that somebody else's change came in between. When
/// it returns, the registry shows the change.
async fn carry_out<'a, T, E: From<Unfinished>>(
    app: &App,
    origin: &Origin,
    attempt: impl Fn(Timestamp) -> Attempting<'a, T, E>,
) -> Result<T, E> {
    for _ in 0..ATTEMPTS {
        let now = app.clock.now();
        let (change, result) = match attempt(now).await? {
            Attempt::Settled(result) => return Ok(result),
            Attempt::Commit(change, result) => (change, result),
        };
        match change.commit(&*app.store, origin, now).await {
            Ok(CommittedChange { revision, audited }) => {
                app.audit_growth.add(audited);
                app.registry.caught_up(revision).await;
                return Ok(result);
            }
            Err(ChangeError::Conflict(path)) => {
                tracing::debug!(%path, "somebody else was faster; trying again");
            }
            Err(ChangeError::Unfinished(error)) => return Err(error.into()),
        }
    }
    Err(Unfinished::Contended.into())
}

/// What makes an addition to a collection that has a bound fail if there is another one meanwhile.
/// It is asked for before what is there is counted, be it in the store or in the registry.
async fn only_addition(app: &App, (kind, name): (&str, &str)) -> Result<Op, StoreError> {
    let path = AdditionsRecord::path(kind, name);
    Ok(match app.store.get(&path).await? {
        Some(record) => {
            app.registry.caught_up(record.revision).await;
            put(path, &AdditionsRecord {}, record.version)
        }
        None => create(path, &AdditionsRecord {}),
    })
}

/// Records that are read, or deleted, at a time.
const BATCH: usize = 500;

/// Deletes what nobody will ask for any more; whether all of it is gone. What has been changed
/// meanwhile stays, and is for the next time.
async fn forget(store: &SharedStore, deletions: &[Op]) -> Result<bool, StoreError> {
    let mut all = true;
    for batch in deletions.chunks(BATCH) {
        match store.commit_within(Room::Reserve, batch.to_vec()).await {
            Ok(_) => {}
            // Another coordinator does the same; there is not even room to make room; or it is not
            // known: the next time will tell.
            Err(
                CommitError::Conflict { .. }
                | CommitError::LeaseEnded
                | CommitError::OutcomeUnknown
                | CommitError::Store(StoreError::Full | StoreError::Unavailable(_)),
            ) => all = false,
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
