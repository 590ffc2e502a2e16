use std::{collections::BTreeSet, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use super::Stored;
use crate::{rt::Timestamp, store::StorePath};

/// The user who may do everything, and who is always there.
pub const ADMIN: &str = "admin";

/// The user who came with the cluster to look at it.
pub const READONLY: &str = "readonly";

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    pub name: String,
    /// Records of schema 1 have one, as `role`.
    #[serde(alias = "role", deserialize_with = "one_or_more")]
    pub roles: BTreeSet<UserRole>,
    /// Argon2id, in the PHC string format.
    pub password_hash: String,
    #[serde(default)]
    pub full_name: String,
    #[serde(default)]
    pub email: String,
    /// Whether the user gets in at all.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Who made the user, when; not known of those who came with the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Hand>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Hand>,
}

/// Whose hand something is in, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    pub by: String,
    pub at: Timestamp,
}

/// What a user is to the cluster, by ECE's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UserRole {
    /// May do everything.
    #[serde(rename = "ece_platform_admin", alias = "admin")]
    PlatformAdmin,
    /// Sees what is there, but neither tokens nor secrets, and changes nothing.
    #[serde(rename = "ece_platform_viewer", alias = "readonly")]
    PlatformViewer,
    /// Makes and changes deployments, and sees nothing of the hosts.
    #[serde(rename = "ece_deployment_manager")]
    DeploymentManager,
    /// Sees deployments.
    #[serde(rename = "ece_deployment_viewer")]
    DeploymentViewer,
}

impl UserRole {
    pub const ALL: [Self; 4] = [
        Self::PlatformAdmin,
        Self::PlatformViewer,
        Self::DeploymentManager,
        Self::DeploymentViewer,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "ece_platform_admin",
            Self::PlatformViewer => "ece_platform_viewer",
            Self::DeploymentManager => "ece_deployment_manager",
            Self::DeploymentViewer => "ece_deployment_viewer",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a role of users (roles are ece_platform_admin, ece_platform_viewer, \
     ece_deployment_manager, ece_deployment_viewer)"
)]
pub struct UnknownUserRole(String);

impl FromStr for UserRole {
    type Err = UnknownUserRole;

    fn from_str(text: &str) -> Result<Self, UnknownUserRole> {
        let named = Self::ALL.into_iter().find(|role| role.name() == text);
        named.ok_or_else(|| UnknownUserRole(text.chars().take(64).collect()))
    }
}

fn enabled() -> bool {
    true
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<UserRole>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(UserRole),
        More(BTreeSet<UserRole>),
    }
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(role) => BTreeSet::from([role]),
        OneOrMore::More(roles) => roles,
    })
}

impl Stored for UserRecord {
    const SCHEMA: u32 = 2;
}

impl UserRecord {
    pub fn root() -> StorePath {
        StorePath::root("users")
    }

    pub fn path(name: &str) -> StorePath {
        Self::root().child(name)
    }

    /// A user of whom nothing else was said.
    pub fn new(
        name: impl Into<String>,
        roles: impl IntoIterator<Item = UserRole>,
        password_hash: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            roles: roles.into_iter().collect(),
            password_hash: password_hash.into(),
            full_name: String::new(),
            email: String::new(),
            enabled: true,
            made: None,
            changed: None,
        }
    }

    /// Whether the user came with the cluster, and stays with it.
    pub fn is_built_in(&self) -> bool {
        matches!(self.name.as_str(), ADMIN | READONLY)
    }

    pub fn is_one_of(&self, roles: &[UserRole]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::records::decode, store::Record};

    #[test]
    fn users_of_the_first_schema_are_read() {
        let value = br#"{"schema":1,"name":"readonly","role":"readonly","password_hash":"x"}"#;
        let path = UserRecord::path("readonly");
        let record = Record { path, version: 1, revision: 1, value: value.to_vec() };
        let user: UserRecord = decode(&record).expect("readable");
        assert!(user == UserRecord::new("readonly", [UserRole::PlatformViewer], "x"));
    }

    #[test]
    fn roles_are_stored_by_their_names() {
        for role in UserRole::ALL {
            assert_eq!(serde_json::to_value(role).expect("plain"), role.name());
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("admin".parse::<UserRole>().is_err());
    }
}
