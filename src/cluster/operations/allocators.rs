use serde_json::json;

use super::{Attempt, Unfinished, carry_out, stops_at_the_store};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{AllocatorConfig, HostRecord, decode, put},
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
pub async fn change_allocator(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    (part, version): (Part, Option<u64>),
    edit: impl Fn(&mut HostRecord, Timestamp) + Sync,
) -> Result<HostRecord, AllocatorError> {
    let (path, edit) = (&HostRecord::path(runner), &edit);
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let not_found = || AllocatorError::NotFound(runner.clone());
            let record = app.store.get(path).await?.ok_or_else(not_found)?;
            let before: HostRecord = decode(&record)?;
            if !before.has(Role::Allocator) {
                return Err(not_found());
            }
            let current = part.version(&before.allocator);
            if version.is_some_and(|version| version != current) {
                return Err(AllocatorError::Conflict(current));
            }
            let mut after = before.clone();
            edit(&mut after, now);
            if after == before {
                return Ok(Attempt::Settled(before));
            }
            let config = &mut after.allocator;
            config.modified_at = Some(now);
            let action = match part {
                Part::Maintenance => {
                    // The host is to hear of it.
                    after.desired_revision += 1;
                    "allocator.maintenance"
                }
                Part::Metadata => {
                    config.metadata_version += 1;
                    "allocator.metadata"
                }
                Part::Settings => {
                    config.settings_version += 1;
                    // Of its capacity too.
                    after.desired_revision += 1;
                    "allocator.settings"
                }
            };
            let change = Change {
                ops: vec![put(path.clone(), &after, record.version)],
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
