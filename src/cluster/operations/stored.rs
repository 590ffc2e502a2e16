//! What a host is by the store: what operations decide upon, and what they hold on to.

use super::ATTEMPTS;
use crate::{
    cluster::{
        member::{Member, Parts},
        records::{
            DesiredRecord, IdentityRecord, KeyRecord, MemberPart, SettingsRecord, create, decode,
            put,
        },
    },
    model::{KeyId, RunnerId},
    rt::Timestamp,
    store::{Op, Record, Store, StoreError, StorePath},
};

/// A member with the versions of its records. Who changes one of them names that one, and holds on
/// to the member; others may change the others at once.
#[derive(Debug)]
pub(super) struct StoredMember {
    pub member: Member,
    /// The revision of the commit that made it what it is.
    pub revision: u64,
    key_version: u64,
    identity: u64,
    facts: u64,
    desired: u64,
    /// `None` as long as nothing was set.
    settings: Option<u64>,
}

impl StoredMember {
    /// The member with this name, if there is one.
    pub async fn read(store: &dyn Store, runner: &RunnerId) -> Result<Option<Self>, StoreError> {
        let path = MemberPart::Identity.path(runner);
        for _ in 0..ATTEMPTS {
            let Some(record) = store.get(&path).await? else { return Ok(None) };
            let identity: IdentityRecord = decode(&record)?;
            let key = store.get(&KeyRecord::path(&identity.key)).await?;
            let below = store.list(&path).await?;
            if let Some(stored) = Self::put_together(&record, identity, key, below)? {
                return Ok(Some(stored));
            }
            // Removed or replaced in between; else its records do not belong together.
            let now = store.get(&path).await?;
            if now.is_some_and(|now| now.revision == record.revision) {
                break;
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
        if decode::<KeyRecord>(&key)? != holder {
            return Ok(None);
        }
        let (mut parts, mut versions) = (Parts::default(), [None; 3]);
        parts.take(MemberPart::Identity, Some(record))?;
        for record in below {
            let part = MemberPart::at(&record.path).map(|(_, part)| part);
            let version = match part {
                Some(MemberPart::Facts) => &mut versions[0],
                Some(MemberPart::Desired) => &mut versions[1],
                Some(MemberPart::Settings) => &mut versions[2],
                Some(MemberPart::Identity) | None => continue,
            };
            *version = Some(record.version);
            parts.take(part.expect("one of them"), Some(&record))?;
        }
        let (Ok(member), [Some(facts), Some(desired), settings]) = (parts.whole(), versions) else {
            return Ok(None);
        };
        Ok(Some(Self {
            member,
            revision: record.revision,
            key_version: key.version,
            identity: record.version,
            facts,
            desired,
            settings,
        }))
    }

    fn path(&self, part: MemberPart) -> StorePath {
        part.path(&self.member.runner_id)
    }

    /// That it is still this member, and no other of its name.
    pub fn is_still_there(&self) -> Op {
        Op::Check { path: KeyRecord::path(&self.member.key), version: self.key_version }
    }

    pub fn with_desired(&self, desired: &DesiredRecord) -> [Op; 2] {
        let write = put(self.path(MemberPart::Desired), desired, self.desired);
        [self.is_still_there(), write]
    }

    pub fn with_settings(&self, settings: &SettingsRecord) -> [Op; 2] {
        [self.is_still_there(), self.settings_op(settings)]
    }

    fn settings_op(&self, settings: &SettingsRecord) -> Op {
        let path = self.path(MemberPart::Settings);
        match self.settings {
            Some(version) => put(path, settings, version),
            None => create(path, settings),
        }
    }

    fn key_goes(&self, now: Timestamp) -> Op {
        let tombstone = KeyRecord::Removed { runner_id: self.member.runner_id.clone(), at: now };
        put(KeyRecord::path(&self.member.key), &tombstone, self.key_version)
    }

    /// Puts another member in its place, on which nothing has been set.
    pub fn replaced_by(&self, member: &Member, now: Timestamp) -> Vec<Op> {
        let key = KeyRecord::Host { runner_id: member.runner_id.clone() };
        vec![
            put(self.path(MemberPart::Identity), &member.identity(), self.identity),
            put(self.path(MemberPart::Facts), &member.facts(), self.facts),
            put(self.path(MemberPart::Desired), &member.desired(), self.desired),
            // Also if there are none: so that none are made for the other one meanwhile.
            self.settings_op(&member.settings()),
            self.key_goes(now),
            create(KeyRecord::path(&member.key), &key),
        ]
    }

    /// Deletes all of it; its key stays known as that of a removed host.
    pub fn removed(&self, now: Timestamp) -> Vec<Op> {
        let parts = [
            (MemberPart::Facts, Some(self.facts)),
            (MemberPart::Desired, Some(self.desired)),
            (MemberPart::Settings, self.settings),
            // Last: it is not deleted if there is still something below it.
            (MemberPart::Identity, Some(self.identity)),
        ];
        let deletion = |(part, version): (_, Option<u64>)| {
            version.map(|version| Op::Delete { path: self.path(part), version })
        };
        parts.into_iter().filter_map(deletion).chain([self.key_goes(now)]).collect()
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
