//! What a host is by the store: what operations decide upon, and what they hold on to.

use super::ATTEMPTS;
use crate::{
    cluster::{
        member::{Member, Parts},
        records::{
            DesiredRecord, IdentityRecord, KeyRecord, MemberPart, SettingsRecord, Stored, create,
            decode, put, readable,
        },
    },
    model::{KeyId, RoleSet, RunnerId},
    rt::Timestamp,
    store::{Op, Record, Store, StoreError, StorePath},
};

/// What the store has under the name of a host.
pub(super) enum Found {
    Nothing,
    Host(Box<StoredHost>),
    /// This record cannot be read, and without it nobody can say which host that is.
    Unreadable(StorePath),
}

/// A host with the versions of its records, of which some may not be readable: enough to remove it.
#[derive(Debug)]
pub(super) struct StoredHost {
    pub identity: IdentityRecord,
    pub parts: Parts,
    /// The revision of the commit that made it what it is.
    revision: u64,
    key_version: u64,
    /// Of those records that there are.
    versions: Vec<(MemberPart, u64)>,
}

/// What there is of a host, to be removed.
#[derive(Debug)]
pub(super) struct Removable {
    runner_id: RunnerId,
    /// `None` if nobody can read who it is.
    pub identity: Option<IdentityRecord>,
    pub parts: Parts,
    /// Those that are this host's.
    keys: Vec<(KeyId, u64)>,
    versions: Vec<(MemberPart, u64)>,
}

/// A member with the versions of its records. Who changes one of them names that one, and holds on
/// to the member; others may change the others at once.
#[derive(Debug)]
pub(super) struct StoredMember {
    pub member: Member,
    /// The revision of the commit that made it what it is.
    pub revision: u64,
    key_version: u64,
    versions: Vec<(MemberPart, u64)>,
}

impl StoredHost {
    pub async fn find(store: &dyn Store, runner: &RunnerId) -> Result<Found, StoreError> {
        let path = MemberPart::Identity.path(runner);
        for _ in 0..ATTEMPTS {
            let Some(record) = store.get(&path).await? else { return Ok(Found::Nothing) };
            let Some(identity) = readable::<IdentityRecord>(&record)? else {
                return Ok(Found::Unreadable(path));
            };
            let key_path = KeyRecord::path(&identity.key);
            let key = store.get(&key_path).await?;
            let below = store.list(&path).await?;
            let stored = Self::put_together(&record, identity, key, below)?;
            let host = |stored| Found::Host(Box::new(stored));
            if stored.as_ref().is_some_and(|stored| stored.parts.are_whole()) {
                return Ok(stored.map_or(Found::Nothing, host));
            }
            // Removed or replaced in between; else its records do not belong together.
            let now = store.get(&path).await?;
            if now.is_some_and(|now| now.revision == record.revision) {
                return Ok(stored.map_or(Found::Unreadable(key_path), host));
            }
        }
        Err(StoreError::Failed(format!("what is kept of {runner} is not whole")))
    }

    fn put_together(
        record: &Record,
        identity: IdentityRecord,
        key: Option<Record>,
        below: Vec<Record>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let holder = KeyRecord::Host { runner_id: identity.runner_id.clone() };
        if readable::<KeyRecord>(&key)? != Some(holder) {
            return Ok(None);
        }
        let (parts, versions) = parts_in(below.iter().chain([record]))?;
        let (revision, key_version) = (record.revision, key.version);
        Ok(Some(Self { identity, parts, revision, key_version, versions }))
    }
}

/// Records of a host, as far as they can be read, and the versions of all of them.
fn parts_in<'a>(
    records: impl Iterator<Item = &'a Record>,
) -> Result<(Parts, Vec<(MemberPart, u64)>), StoreError> {
    let (mut parts, mut versions) = (Parts::default(), Vec::new());
    for record in records {
        let Some((_, part)) = MemberPart::at(&record.path) else { continue };
        parts.take(part, Some(record))?;
        versions.push((part, record.version));
    }
    Ok((parts, versions))
}

impl Removable {
    /// What there is under this name; else which record must be readable and is not. `keys` are those
    /// that may be the host's.
    pub async fn find(
        store: &dyn Store,
        runner: &RunnerId,
        keys: impl FnOnce() -> Vec<KeyId> + Send,
    ) -> Result<Result<Option<Self>, StorePath>, StoreError> {
        let path = MemberPart::Identity.path(runner);
        Ok(match StoredHost::find(store, runner).await? {
            Found::Nothing => Ok(None),
            Found::Host(host) => Ok(Some((*host).into())),
            Found::Unreadable(record) if record == path => {
                Ok(Some(Self::unknown(store, runner, keys()).await?))
            }
            Found::Unreadable(record) => Err(record),
        })
    }

    /// One of which nobody can read who it is.
    async fn unknown(
        store: &dyn Store,
        runner: &RunnerId,
        candidates: Vec<KeyId>,
    ) -> Result<Self, StoreError> {
        let path = MemberPart::Identity.path(runner);
        let mut records = store.list(&path).await?;
        records.extend(store.get(&path).await?);
        let (parts, versions) = parts_in(records.iter())?;
        let holder = KeyRecord::Host { runner_id: runner.clone() };
        let mut keys = Vec::new();
        for key in candidates {
            if let Some(record) = store.get(&KeyRecord::path(&key)).await?
                && readable::<KeyRecord>(&record)?.as_ref() == Some(&holder)
            {
                keys.push((key, record.version));
            }
        }
        Ok(Self { runner_id: runner.clone(), identity: None, parts, keys, versions })
    }

    /// The roles that it is meant to run; else which record does not say so.
    pub fn roles(&self) -> Result<&RoleSet, StorePath> {
        self.parts.roles().ok_or_else(|| MemberPart::Desired.path(&self.runner_id))
    }

    pub fn keys(&self) -> Vec<KeyId> {
        self.keys.iter().map(|(key, _)| *key).collect()
    }

    /// Deletes all of it; its key stays known as that of a removed host.
    pub fn removed(&self, now: Timestamp) -> Vec<Op> {
        let runner = &self.runner_id;
        // The identity is the last: it is not deleted if there is still something below it.
        let deletions = self
            .versions
            .iter()
            .map(|(part, version)| Op::Delete { path: part.path(runner), version: *version });
        let keys = self.keys.iter().map(|(key, version)| key_goes(runner, *key, *version, now));
        deletions.chain(keys).collect()
    }
}

impl From<StoredHost> for Removable {
    fn from(host: StoredHost) -> Self {
        let StoredHost { identity, parts, key_version, versions, .. } = host;
        let keys = vec![(identity.key, key_version)];
        Self {
            runner_id: identity.runner_id.clone(),
            identity: Some(identity),
            parts,
            keys,
            versions,
        }
    }
}

/// Leaves nobody with this key; it stays known as that of a removed host.
fn key_goes(runner: &RunnerId, key: KeyId, version: u64, now: Timestamp) -> Op {
    let tombstone = KeyRecord::Removed { runner_id: runner.clone(), at: now };
    put(KeyRecord::path(&key), &tombstone, version)
}

impl StoredMember {
    /// The member with this name, if there is one.
    pub async fn read(store: &dyn Store, runner: &RunnerId) -> Result<Option<Self>, StoreError> {
        let host = match StoredHost::find(store, runner).await? {
            Found::Nothing => return Ok(None),
            Found::Host(host) => *host,
            Found::Unreadable(path) => {
                let reason = format!("what is kept of {runner} is not whole: see {path}");
                return Err(StoreError::Failed(reason));
            }
        };
        let StoredHost { parts, revision, key_version, versions, .. } = host;
        match parts.whole() {
            Ok(member) => Ok(Some(Self { member, revision, key_version, versions })),
            Err(_) => Err(StoreError::Failed(format!("what is kept of {runner} is not whole"))),
        }
    }

    fn path(&self, part: MemberPart) -> StorePath {
        part.path(&self.member.runner_id)
    }

    /// Writes one of its records, which may not be there: nobody has set anything on it then.
    fn write<T: Stored>(&self, part: MemberPart, record: &T) -> Op {
        let path = self.path(part);
        match self.versions.iter().find(|(it, _)| *it == part) {
            Some((_, version)) => put(path, record, *version),
            None => create(path, record),
        }
    }

    /// That it is still this member, and no other of its name.
    pub fn is_still_there(&self) -> Op {
        Op::Check { path: KeyRecord::path(&self.member.key), version: self.key_version }
    }

    pub fn with_desired(&self, desired: &DesiredRecord) -> [Op; 2] {
        [self.is_still_there(), self.write(MemberPart::Desired, desired)]
    }

    pub fn with_settings(&self, settings: &SettingsRecord) -> [Op; 2] {
        [self.is_still_there(), self.write(MemberPart::Settings, settings)]
    }

    /// Puts another member in its place, on which nothing has been set.
    pub fn replaced_by(&self, member: &Member, now: Timestamp) -> Vec<Op> {
        let key = KeyRecord::Host { runner_id: member.runner_id.clone() };
        vec![
            self.write(MemberPart::Identity, &member.identity()),
            self.write(MemberPart::Facts, &member.facts()),
            self.write(MemberPart::Desired, &member.desired()),
            // Also if there are none: so that none are made for the other one meanwhile.
            self.write(MemberPart::Settings, &member.settings()),
            key_goes(&self.member.runner_id, self.member.key, self.key_version, now),
            create(KeyRecord::path(&member.key), &key),
        ]
    }
}

/// Whose this key is, and what makes a change fail if it is not by then; `None` if it is nobody's.
pub(super) async fn holder_of(
    store: &dyn Store,
    key: KeyId,
) -> Result<Option<(KeyRecord, Op)>, StoreError> {
    let path = KeyRecord::path(&key);
    let Some(record) = store.get(&path).await? else { return Ok(None) };
    Ok(Some((decode(&record)?, Op::Check { path, version: record.version })))
}
