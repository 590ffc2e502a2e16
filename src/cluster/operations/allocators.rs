use serde_json::json;

use super::{Attempt, Unfinished, carry_out, stops_at_the_store, stored::StoredMember};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        member::Member,
        records::AllocatorConfig,
    },
    model::{Role, RunnerId},
    rt::Timestamp,
    store::Room,
};

#[derive(Debug, thiserror::Error)]
pub enum AllocatorError {
    #[error("there is no allocator {0}")]
    NotFound(RunnerId),
    #[error("it has changed since: the version is {0}")]
    Conflict(u64),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(AllocatorError);

/// Which part of an allocator's configuration a version counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Maintenance,
    Metadata,
    Settings,
}

impl Part {
    /// The number that a change of this part has to name; maintenance has none.
    pub fn version(self, config: &AllocatorConfig) -> u64 {
        match self {
            Part::Maintenance => 0,
            Part::Metadata => config.metadata_version,
            Part::Settings => config.settings_version,
        }
    }
}

/// Changes an allocator's configuration, if `version` is the current one; the host as it is then.
/// What it says of itself and is meant to run may change at once: that is as if it came after.
pub async fn change_allocator(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    (part, version): (Part, Option<u64>),
    edit: impl Fn(&mut AllocatorConfig, &Member, Timestamp) + Sync,
) -> Result<Member, AllocatorError> {
    let edit = &edit;
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let not_found = || AllocatorError::NotFound(runner.clone());
            let stored = StoredMember::read(&*app.store, runner).await?.ok_or_else(not_found)?;
            let before = &stored.member;
            if !before.has(Role::Allocator) {
                return Err(not_found());
            }
            let current = part.version(&before.allocator);
            if version.is_some_and(|version| version != current) {
                return Err(AllocatorError::Conflict(current));
            }
            let mut config = before.allocator.clone();
            edit(&mut config, before, now);
            if config == before.allocator {
                return Ok(Attempt::Settled(before.clone()));
            }
            config.modified_at = Some(now);
            let (after, action) = match part {
                // The host is to hear of it.
                Part::Maintenance => (before.told_of(config), "allocator.maintenance"),
                Part::Metadata => {
                    config.metadata_version += 1;
                    (before.not_told_of(config), "allocator.metadata")
                }
                Part::Settings => {
                    config.settings_version += 1;
                    // Of its capacity too.
                    (before.told_of(config), "allocator.settings")
                }
            };
            let change = Change {
                ops: stored.with_settings(&after.settings()).into(),
                action,
                room: Room::Ordinary,
                subject: runner.to_string(),
                before: json!(before.allocator),
                after: json!(after.allocator),
            };
            Ok(Attempt::Commit(change, after))
        })
    })
    .await
}
