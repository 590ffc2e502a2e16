use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a host can be for its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Offers its memory to Elasticsearch and Kibana instances.
    Allocator,
    /// Serves the API, and schedules.
    Coordinator,
    /// Runs the datastore.
    Director,
    /// Brings users' traffic to the instances.
    Proxy,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Allocator, Role::Coordinator, Role::Director, Role::Proxy];

    pub fn name(self) -> &'static str {
        match self {
            Role::Allocator => "allocator",
            Role::Coordinator => "coordinator",
            Role::Director => "director",
            Role::Proxy => "proxy",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a role (roles are allocator, coordinator, director, proxy)")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Role::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownRole(text.chars().take(64).collect()))
    }
}

/// Why a text does not name at least one role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSomeRoles {
    #[error(transparent)]
    Unknown(#[from] UnknownRole),
    #[error("it names no role (roles are allocator, coordinator, director, proxy)")]
    Empty,
}

/// A set of roles, in alphabetical order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleSet(BTreeSet<Role>);

impl RoleSet {
    pub fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    pub fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    pub fn insert(&mut self, role: Role) {
        self.0.insert(role);
    }

    pub fn remove(&mut self, role: Role) {
        self.0.remove(&role);
    }

    /// The roles of this set that `allowed` lacks.
    pub fn beyond(&self, allowed: &RoleSet) -> RoleSet {
        self.0.difference(&allowed.0).copied().collect()
    }

    /// Those without which a cluster is not there.
    #[must_use]
    pub fn that_keep_the_cluster(&self) -> Self {
        let kept = |role: &Role| match role {
            Role::Coordinator | Role::Director => true,
            Role::Allocator | Role::Proxy => false,
        };
        self.iter().filter(kept).collect()
    }

    /// For a sentence: `no roles`, `the role proxy`, `the roles allocator,proxy`.
    pub fn in_words(&self) -> String {
        match self.0.len() {
            0 => "no roles".into(),
            1 => format!("the role {self}"),
            _ => format!("the roles {self}"),
        }
    }

    /// The set that `text` names, if it names a role: an empty text is an empty variable.
    pub fn some(text: &str) -> Result<Self, NotSomeRoles> {
        let roles: Self = text.parse()?;
        if roles.is_empty() { Err(NotSomeRoles::Empty) } else { Ok(roles) }
    }

    pub fn is_exactly(&self, role: Role) -> bool {
        self.0.len() == 1 && self.contains(role)
    }
}

impl FromIterator<Role> for RoleSet {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

/// `a,b`, spaces around the commas allowed; empty text is the empty set.
impl FromStr for RoleSet {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Role::from_str).collect()
    }
}

impl fmt::Display for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, role) in self.iter().enumerate() {
            write!(f, "{}{role}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_have_spaces_after_its_commas() {
        let roles: RoleSet = "proxy, allocator".parse().expect("two roles");
        assert_eq!(roles.to_string(), "allocator,proxy");
    }

    #[test]
    fn a_sentence_says_how_many_roles_there_are() {
        let words = |text: &str| text.parse::<RoleSet>().expect("roles").in_words();
        assert_eq!(words(""), "no roles");
        assert_eq!(words("proxy"), "the role proxy");
        assert_eq!(words("proxy, allocator"), "the roles allocator,proxy");
    }

    #[test]
    fn a_list_without_a_role_can_be_told_from_one_with() {
        for empty in ["", ",,,", " , "] {
            assert_eq!(RoleSet::some(empty), Err(NotSomeRoles::Empty), "{empty:?}");
        }
        assert_eq!(RoleSet::some("proxy,").expect("a role").to_string(), "proxy");
    }

    #[test]
    fn an_unknown_role_is_named() {
        let error = "allocator,alocator".parse::<RoleSet>().expect_err("a typing error");
        assert_eq!(error, UnknownRole("alocator".into()));
    }
}
