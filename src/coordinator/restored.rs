//! A datastore that has come from a backup lets in again whoever was shut out since. It cannot tell
//! whom; that it was restored is noted once, for those who look at the log and the audit.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    cluster::{
        change::{Change, ChangeError, Origin},
        records::Actor,
    },
    model::{CoordinatorLayout, printable::cut},
    rt::{Timestamp, files},
    store::{Room, Store},
};

const MAX_MARK: u64 = 4096;

/// Characters of a time that are told.
const LONGEST: usize = 64;

/// What whoever restores a datastore leaves beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restored {
    at: String,
    backup_made_at: String,
}

impl Restored {
    pub fn new(at: Timestamp, backup_made_at: Timestamp) -> Self {
        Self { at: at.rfc3339(), backup_made_at: backup_made_at.rfc3339() }
    }
}

/// Tells of a datastore that was restored since the last start. What cannot be told now is told at the
/// next start.
pub(super) async fn tell_if_restored(dir: &Path, store: &dyn Store, now: Timestamp) {
    let mark = dir.join(CoordinatorLayout::RESTORED);
    let content = match files::read_kept(&mark, MAX_MARK) {
        Ok(None) => return,
        // That it is there says enough.
        Ok(Some(content)) => serde_json::from_slice(&content).unwrap_or_default(),
        Err(_) => Restored::default(),
    };
    let [at, made_at] = [content.at, content.backup_made_at].map(|text| shown(&text));
    tracing::warn!(
        restored_at = at,
        backup_made_at = made_at,
        "the datastore was restored at {at} from a backup that was made at {made_at}: tokens, API keys, \
         hosts and users that were revoked, removed or disabled, and passwords that were changed, since \
         then are as they were; take away again what was taken away"
    );
    let told = tell(store, now, &at, &made_at).await.map_err(|error| error.to_string());
    let told = told.and_then(|()| files::remove(&mark).map_err(|error| error.to_string()));
    if let Err(error) = told {
        tracing::warn!(%error, "that the datastore was restored is told again at the next start: {error}");
    }
}

fn shown(time: &str) -> String {
    if time.is_empty() { "an unknown time".into() } else { cut(time, LONGEST) }
}

async fn tell(
    store: &dyn Store,
    now: Timestamp,
    at: &str,
    made_at: &str,
) -> Result<(), ChangeError> {
    let origin = Origin {
        actor: Actor::Local,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        request_id: Uuid::new_v4(),
        standing: None,
    };
    let change = Change {
        ops: Vec::new(),
        action: "cluster.restored",
        subject: "cluster".into(),
        before: json!(null),
        after: json!({ "at": at, "backup_made_at": made_at }),
        room: Room::Ordinary,
    };
    change.commit(store, &origin, now).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        cluster::records::{AuditRecord, decode},
        cluster::testing::START,
        store::MemoryStore,
    };

    async fn audited(store: &MemoryStore) -> Vec<AuditRecord> {
        let all = store.list(&AuditRecord::root()).await.expect("listed");
        all.iter().map(|record| decode(record).expect("a record")).collect()
    }

    #[tokio::test]
    async fn the_first_start_after_a_restore_is_told_of_once() {
        let now = Timestamp::from_unix_millis(START);
        for (mark, made_at) in [
            (
                r#"{"at":"2026-01-02T00:00:00.000Z","backup_made_at":"2026-01-01T00:00:00.000Z"}"#,
                "2026-01-01T00:00:00.000Z",
            ),
            ("damaged", "an unknown time"),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let store = MemoryStore::new();
            tell_if_restored(dir.path(), &store, now).await;
            assert!(audited(&store).await.is_empty(), "nothing was restored");
            fs::write(dir.path().join(CoordinatorLayout::RESTORED), mark).expect("written");
            for _start in 0..2 {
                tell_if_restored(dir.path(), &store, now).await;
                let told = audited(&store).await;
                assert_eq!(told.len(), 1);
                assert_eq!(told[0].action, "cluster.restored");
                assert_eq!(told[0].after["backup_made_at"], made_at);
            }
        }
    }
}
