use std::{fmt, net::IpAddr, sync::Arc, time::Instant};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    counters::committed,
    records::{
        self, Actor, ApiKeyRecord, AuditRecord, AuditShare, UserRecord, UserRole, WebSessionRecord,
    },
    sessions::OpenSession,
};
use crate::{
    rt::Timestamp,
    store::{CommitError, Op, Room, Store, StoreError, StorePath},
};

/// Who asks for something, from where, in which request.
#[derive(Debug, Clone)]
pub struct Origin {
    pub actor: Actor,
    pub address: IpAddr,
    pub request_id: Uuid,
    /// Of a user, by what right; each commit holds them to it.
    pub standing: Option<Standing>,
}

impl Origin {
    fn share(&self) -> AuditShare {
        match (&self.actor, &self.standing) {
            (Actor::Host(_), _) => AuditShare::Hosts,
            (Actor::User(name), Some(standing))
                if !standing.user.is_one_of(&[UserRole::PlatformAdmin]) =>
            {
                AuditShare::of_user(name)
            }
            (Actor::User(_) | Actor::Bootstrap | Actor::Local, _) => AuditShare::Administrators,
        }
    }
}

/// The right of a user to what they ask for, as they were when they asked.
#[derive(Clone)]
pub struct Standing {
    pub user: Arc<UserRecord>,
    pub allows: fn(&UserRecord) -> bool,
    pub credential: Credential,
}

/// What a user came with.
#[derive(Clone)]
pub enum Credential {
    Password,
    /// The key with this id.
    ApiKey(String),
    Session(OpenSession),
    /// A browser that is signed in, by the digest of its secret.
    WebSession(String),
}

impl Standing {
    /// The preconditions that the user still has it. Whoever was deleted or disabled meanwhile, has
    /// another password or too few roles, or came with what is good no more, changes nothing.
    async fn preconditions(
        &self,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Vec<Op>, ChangeError> {
        let user = self.of_user(store).await?;
        Ok(match &self.credential {
            Credential::Password => vec![user],
            Credential::ApiKey(id) => {
                let path = ApiKeyRecord::path(id);
                let record = store.get(&path).await?.ok_or(Unfinished::Withdrawn)?;
                // It may have been good when the request came, and have expired since.
                if !records::decode::<ApiKeyRecord>(&record)?.is_good(&self.user, now) {
                    return Err(Unfinished::Withdrawn.into());
                }
                vec![user, Op::Check { path, version: record.version }]
            }
            Credential::WebSession(digest) => {
                let path = WebSessionRecord::path(digest);
                let record = store.get(&path).await?.ok_or(Unfinished::Withdrawn)?;
                if !records::decode::<WebSessionRecord>(&record)?.is_good(&self.user, now) {
                    return Err(Unfinished::Withdrawn.into());
                }
                vec![user, Op::Check { path, version: record.version }]
            }
            Credential::Session(session) if session.is_open() => vec![user],
            Credential::Session(_) => return Err(Unfinished::Withdrawn.into()),
        })
    }

    async fn of_user(&self, store: &dyn Store) -> Result<Op, ChangeError> {
        let path = UserRecord::path(&self.user.name);
        let record = store.get(&path).await?.ok_or(Unfinished::Withdrawn)?;
        let now: UserRecord = records::decode(&record)?;
        let same = now.enabled && now.password_hash == self.user.password_hash;
        if !same || !(self.allows)(&now) {
            return Err(Unfinished::Withdrawn.into());
        }
        Ok(Op::Check { path, version: record.version })
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Standing").field(&self.user.name).finish()
    }
}

/// A change to the cluster. It cannot be committed without its audit record.
pub struct Change {
    pub ops: Vec<Op>,
    /// What is done, as `subject.verb`.
    pub action: &'static str,
    pub subject: String,
    pub before: Value,
    pub after: Value,
    /// What makes room or takes access away goes through on a full disk too.
    pub room: Room,
}

/// A change that is on disk.
pub struct CommittedChange {
    pub revision: u64,
    /// Bytes that its audit record has added.
    pub audited: usize,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The record there is not what the change was decided upon.
    #[error("{0} has changed meanwhile")]
    Conflict(StorePath),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

/// Why what was to be done came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// Whoever asked for it has lost the right to it.
    #[error("whoever asked for this may not do it any more")]
    Withdrawn,
    #[error("what this depends on changes faster than it can be decided upon")]
    Contended,
    /// Not done again without looking: it may have been done.
    #[error("whether the change was made is not known")]
    OutcomeUnknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Unfinished::from(error).into()
    }
}

impl From<CommitError> for ChangeError {
    fn from(error: CommitError) -> Self {
        Self::Unfinished(match error {
            CommitError::Conflict { path, .. } => return Self::Conflict(path),
            CommitError::LeaseEnded => Unfinished::Withdrawn,
            CommitError::OutcomeUnknown => Unfinished::OutcomeUnknown,
            CommitError::Store(error) => error.into(),
        })
    }
}

impl Change {
    /// Commits the change and the record of it in one transaction.
    pub async fn commit(
        mut self,
        store: &dyn Store,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<CommittedChange, ChangeError> {
        let (before, after) = difference(self.before, self.after);
        let share = origin.share();
        let most = match share {
            AuditShare::Hosts => MOST_BYTES_OF_A_HOST,
            AuditShare::Administrators | AuditShare::User(_) => MOST_BYTES,
        };
        let record = AuditRecord {
            at: now,
            actor: origin.actor.clone(),
            source_address: origin.address,
            request_id: origin.request_id,
            action: self.action.to_owned(),
            subject: self.subject,
            before: bounded(before, most),
            after: bounded(after, most),
        };
        let audit = records::create(record.path(Uuid::now_v7(), &share), &record);
        let audited = audit.size();
        self.ops.push(audit);
        if let Some(standing) = &origin.standing {
            for holds in standing.preconditions(store, now).await? {
                // What changes the user's own record, or key, names its version itself.
                if !self.ops.iter().any(|op| op.path() == holds.path()) {
                    self.ops.push(holds);
                }
            }
        }
        let started = Instant::now();
        let revision = store.commit_within(self.room, self.ops).await?;
        committed(started.elapsed());
        tracing::info!(
            action = self.action,
            subject = record.subject,
            actor = %record.actor,
            from = %record.source_address,
            request_id = %record.request_id,
            "{} {}, by {} from {}",
            self.action,
            record.subject,
            record.actor,
            record.source_address
        );
        Ok(CommittedChange { revision, audited })
    }
}

/// What differs of two values: of objects the members that are not the same in both.
fn difference(before: Value, after: Value) -> (Value, Value) {
    let (mut before, mut after) = match (before, after) {
        (Value::Object(before), Value::Object(after)) => (before, after),
        others => return others,
    };
    let mut reduced = (Map::new(), Map::new());
    for (name, old) in std::mem::take(&mut before) {
        let Some(new) = after.remove(&name) else {
            reduced.0.insert(name, old);
            continue;
        };
        if old != new {
            let (old, new) = difference(old, new);
            reduced.0.insert(name.clone(), old);
            reduced.1.insert(name, new);
        }
    }
    reduced.1.append(&mut after);
    (Value::Object(reduced.0), Value::Object(reduced.1))
}

/// Bytes of JSON that one side of an audit record has at most.
const MOST_BYTES: usize = 16 * 1024;

/// The same of what a host has caused.
const MOST_BYTES_OF_A_HOST: usize = 1024;

/// The value; of one that is too large, the names of its members and how large it is.
fn bounded(value: Value, most: usize) -> Value {
    let bytes = value.to_string().len();
    if bytes <= most {
        return value;
    }
    let mut room = most / 2;
    let names = value.as_object().into_iter().flat_map(|it| it.keys()).take_while(|name| {
        room = room.saturating_sub(name.len() + 3);
        room > 0
    });
    json!({ "left_out_bytes": bytes, "members": names.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_kept_and_not_more_than_fits() {
        let before = json!({ "a": 1, "b": { "x": 1, "y": 2 }, "gone": true });
        let after = json!({ "a": 1, "b": { "x": 1, "y": 3 }, "new": [1] });
        assert_eq!(
            difference(before, after),
            (json!({ "b": { "y": 2 }, "gone": true }), json!({ "b": { "y": 3 }, "new": [1] }))
        );
        assert_eq!(difference(json!(null), json!({ "a": 1 })), (json!(null), json!({ "a": 1 })));
        let long = json!({ "text": "x".repeat(MOST_BYTES) });
        assert_eq!(
            bounded(long, MOST_BYTES),
            json!({ "left_out_bytes": MOST_BYTES + 11, "members": ["text"] })
        );
        // Of many that are taken away at once each is named.
        let key = |number: usize| (format!("key-{number:03}"), json!("\"".repeat(100)));
        let many: Value = (0..400).map(key).collect::<Map<_, _>>().into();
        let named = bounded(many, MOST_BYTES);
        assert_eq!(named["members"].as_array().expect("names").len(), 400);
        assert!(named.to_string().len() < MOST_BYTES);
    }
}
