//! A member of the cluster, as its records say together.

use std::collections::{BTreeMap, BTreeSet};

use super::records::{
    AllocatorConfig, DesiredRecord, FactsRecord, IdentityRecord, Joined, MemberPart, OwnerRecord,
    SettingsRecord, create, readable,
};
use crate::{
    model::{CapacitySource, KeyId, Role, RoleSet, RunnerId, default_capacity_mb},
    store::{Op, Record, StoreError},
    wire::hosts::Facts,
};

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub runner_id: RunnerId,
    pub key: KeyId,
    pub joined: Joined,
    pub facts: Facts,
    pub facts_hash: String,
    pub roles: RoleSet,
    /// Names beside the four roles that ECE's tools may have given it.
    pub other_roles: BTreeSet<String>,
    pub allocator: AllocatorConfig,
    /// Of the record of what it is meant to run.
    roles_revision: u64,
    /// Of the record of its settings.
    settings_revision: u64,
}

/// The records of a member, of which some may be missing, or not be readable.
#[derive(Debug, Clone)]
pub struct Parts {
    identity: Option<IdentityRecord>,
    facts: Option<FactsRecord>,
    desired: Option<DesiredRecord>,
    /// Of a member without any, those that all begin with.
    settings: Option<SettingsRecord>,
}

impl Default for Parts {
    fn default() -> Self {
        let settings = Some(SettingsRecord::default());
        Self { identity: None, facts: None, desired: None, settings }
    }
}

impl Parts {
    pub fn of(member: Member) -> Self {
        let Member { runner_id, key, joined, facts, facts_hash, roles, other_roles, .. } = member;
        let (revision, allocator) = (member.roles_revision, member.allocator);
        Self {
            identity: Some(IdentityRecord { runner_id, key, joined }),
            facts: Some(FactsRecord { facts, facts_hash }),
            desired: Some(DesiredRecord { roles, other_roles, revision }),
            settings: Some(SettingsRecord { allocator, revision: member.settings_revision }),
        }
    }

    /// Takes one of the records in as it is now; `None` means that there is none. One that cannot
    /// be read counts for as little as one that is gone, and settings are not what they began with.
    pub fn take(&mut self, part: MemberPart, record: Option<&Record>) -> Result<(), StoreError> {
        match part {
            MemberPart::Identity => self.identity = record.map(readable).transpose()?.flatten(),
            MemberPart::Facts => self.facts = record.map(readable).transpose()?.flatten(),
            MemberPart::Desired => self.desired = record.map(readable).transpose()?.flatten(),
            MemberPart::Settings => {
                self.settings = match record {
                    Some(record) => readable(record)?,
                    None => Some(SettingsRecord::default()),
                }
            }
        }
        Ok(())
    }

    pub fn identity(&self) -> Option<&IdentityRecord> {
        self.identity.as_ref()
    }

    /// The roles that it is meant to run.
    pub fn roles(&self) -> Option<&RoleSet> {
        self.desired.as_ref().map(|desired| &desired.roles)
    }

    /// What the audit log says of a host, of which some may not be known.
    pub fn in_audit(&self) -> serde_json::Value {
        let joined = self.identity.as_ref().map(|identity| &identity.joined);
        serde_json::json!({
            "key": self.identity.as_ref().map(|identity| identity.key),
            "roles": self.roles(),
            "host_ip": self.facts.as_ref().map(|it| it.facts.host_ip),
            "token_id": joined.and_then(|joined| joined.token),
            "overridden": joined.map(|joined| &joined.overridden),
        })
    }

    /// Whether nothing is left of it.
    pub fn are_gone(&self) -> bool {
        let nothing = self.settings.as_ref().is_some_and(|it| *it == SettingsRecord::default());
        nothing && self.identity.is_none() && self.facts.is_none() && self.desired.is_none()
    }

    pub fn are_whole(&self) -> bool {
        let Self { identity, facts, desired, settings } = self;
        identity.is_some() && facts.is_some() && desired.is_some() && settings.is_some()
    }

    /// The member, if all of it is there; else the parts.
    pub fn whole(self) -> Result<Member, Box<Self>> {
        match self {
            Self {
                identity: Some(IdentityRecord { runner_id, key, joined }),
                facts: Some(FactsRecord { facts, facts_hash }),
                desired: Some(DesiredRecord { roles, other_roles, revision: roles_revision }),
                settings: Some(SettingsRecord { allocator, revision: settings_revision }),
            } => Ok(Member {
                runner_id,
                key,
                joined,
                facts,
                facts_hash,
                roles,
                other_roles,
                allocator,
                roles_revision,
                settings_revision,
            }),
            parts => Err(Box::new(parts)),
        }
    }
}

impl Member {
    /// One that comes in so, with the roles that it joins with.
    pub fn joining(
        IdentityRecord { runner_id, key, joined }: IdentityRecord,
        FactsRecord { facts, facts_hash }: FactsRecord,
    ) -> Self {
        let roles = joined.roles.clone();
        Self {
            runner_id,
            key,
            joined,
            facts,
            facts_hash,
            roles,
            other_roles: BTreeSet::new(),
            allocator: AllocatorConfig::default(),
            roles_revision: 1,
            settings_revision: 0,
        }
    }

    pub fn identity(&self) -> IdentityRecord {
        let (runner_id, joined) = (self.runner_id.clone(), self.joined.clone());
        IdentityRecord { runner_id, key: self.key, joined }
    }

    pub fn facts(&self) -> FactsRecord {
        FactsRecord { facts: self.facts.clone(), facts_hash: self.facts_hash.clone() }
    }

    pub fn desired(&self) -> DesiredRecord {
        let (roles, other_roles) = (self.roles.clone(), self.other_roles.clone());
        DesiredRecord { roles, other_roles, revision: self.roles_revision }
    }

    pub fn settings(&self) -> SettingsRecord {
        SettingsRecord { allocator: self.allocator.clone(), revision: self.settings_revision }
    }

    /// What makes its records, of one that is not connected, and that nothing has been set on.
    pub fn creations(&self) -> [Op; 4] {
        let runner = &self.runner_id;
        [
            create(MemberPart::Identity.path(runner), &self.identity()),
            create(MemberPart::Facts.path(runner), &self.facts()),
            create(MemberPart::Desired.path(runner), &self.desired()),
            create(OwnerRecord::path(runner), &OwnerRecord::nobody(runner)),
        ]
    }

    /// Another number whenever there is something new for the host.
    pub fn desired_revision(&self) -> u64 {
        self.roles_revision + self.settings_revision
    }

    /// The same with other roles, which it is to hear of.
    pub fn with_roles(&self, roles: RoleSet, other_roles: BTreeSet<String>) -> Self {
        let roles_revision = self.roles_revision + 1;
        Self { roles, other_roles, roles_revision, ..self.clone() }
    }

    /// The same with other settings, which it is to hear of.
    pub fn told_of(&self, allocator: AllocatorConfig) -> Self {
        let settings_revision = self.settings_revision + 1;
        Self { allocator, settings_revision, ..self.clone() }
    }

    /// The same with other settings, which are nothing to it.
    pub fn not_told_of(&self, allocator: AllocatorConfig) -> Self {
        Self { allocator, ..self.clone() }
    }

    /// The same in the place of `known`: no news for it have the number of any for that one.
    pub fn in_place_of(mut self, known: &Self) -> Self {
        self.joined.replaced = Some(known.key);
        self.roles_revision = known.desired_revision() + 1;
        self
    }

    /// What the audit log says of a host.
    pub fn in_audit(&self) -> serde_json::Value {
        Parts::of(self.clone()).in_audit()
    }

    /// What it offers as an allocator, in MB (2^20 bytes), and where the number comes from.
    pub fn capacity_mb(&self) -> (u64, CapacitySource) {
        match self.allocator.capacity_mb.or(self.facts.capacity_flag_mb) {
            Some(given) => (given, CapacitySource::Flag),
            None => {
                let total_mb = self.facts.memory_bytes >> 20;
                (default_capacity_mb(total_mb, &self.roles), self.facts.memory_source)
            }
        }
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(role)
    }

    /// Whether it has a role, or anything beside the roles, by this name.
    pub fn has_named(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name() == name) || self.other_roles.contains(name)
    }

    /// The allocator's labels.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        self.allocator.metadata.as_ref().unwrap_or(&self.facts.allocator_tags.0)
    }

    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.facts.proxy_tags.0.clone();
        tags.extend(self.metadata().clone());
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::testing::facts,
        model::{Fingerprint, Tags},
        rt::Timestamp,
    };

    fn member() -> Member {
        let joined = Joined {
            at: Timestamp::EPOCH,
            roles: "allocator".parse().expect("a role"),
            token: None,
            source_address: [10, 0, 0, 7].into(),
            overridden: Vec::new(),
            replaced: None,
        };
        let runner_id = "10.0.0.7".parse().expect("an id");
        let key = Fingerprint::from_digest([7; 32]);
        let facts = facts("10.0.0.7");
        let facts_hash = facts.hash();
        Member::joining(
            IdentityRecord { runner_id, key, joined },
            FactsRecord { facts, facts_hash },
        )
    }

    #[test]
    fn a_capacity_is_what_was_set_else_the_flag_else_by_the_rule() {
        let mut host = member();
        assert_eq!(host.capacity_mb(), (12_398, CapacitySource::Physical));
        host.facts.capacity_flag_mb = Some(9_000);
        assert_eq!(host.capacity_mb(), (9_000, CapacitySource::Flag));
        host.allocator.capacity_mb = Some(10_000);
        assert_eq!(host.capacity_mb(), (10_000, CapacitySource::Flag));
    }

    #[test]
    fn labels_are_those_that_were_set_else_those_of_the_flags() {
        let tags = |text: &str| text.parse::<Tags>().expect("tags");
        let mut host = member();
        host.facts.allocator_tags = tags("rack:7");
        host.facts.proxy_tags = tags("rack:8,disk:ssd");
        assert_eq!(host.metadata(), &tags("rack:7").0);
        assert_eq!(host.tags(), tags("rack:7,disk:ssd").0);
        host.allocator.metadata = Some(tags("a:b").0);
        assert_eq!(host.metadata(), &tags("a:b").0);
        assert_eq!(host.tags(), tags("rack:8,disk:ssd,a:b").0);
    }

    #[test]
    fn each_news_for_a_host_has_another_number() {
        let host = member();
        let others = BTreeSet::from(["other".to_owned()]);
        let changed = host.with_roles("proxy".parse().expect("a role"), others);
        assert!(changed.has(Role::Proxy) && !changed.has(Role::Allocator));
        assert!(changed.has_named("proxy") && changed.has_named("other"));
        assert!(!changed.has_named("allocator"));
        let told = changed.told_of(AllocatorConfig::default());
        let numbers = [&host, &changed, &told].map(Member::desired_revision);
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(told.not_told_of(AllocatorConfig::default()), told);
        let newcomer = member().in_place_of(&told);
        assert!(newcomer.desired_revision() > told.desired_revision());
        assert_eq!(newcomer.joined.replaced, Some(told.key));
    }

    #[test]
    fn a_member_is_one_only_when_all_of_it_is_there() {
        let whole = Parts::of(member());
        assert!(whole.are_whole() && !whole.are_gone());
        assert_eq!(whole.clone().whole().expect("all is there"), member());
        assert!(Parts::default().are_gone() && !Parts::default().are_whole());
        for part in [MemberPart::Identity, MemberPart::Facts, MemberPart::Desired] {
            let mut parts = whole.clone();
            parts.take(part, None).expect("taken");
            assert!(!parts.are_whole() && !parts.are_gone());
            assert!(parts.whole().is_err());
        }
    }
}
