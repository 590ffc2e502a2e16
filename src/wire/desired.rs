//! What a coordinator says that a host is to run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::model::{Role, RoleSet};

/// What a host is meant to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredState {
    pub revision: u64,
    /// Names: a newer coordinator may know roles that this host does not.
    pub roles: Vec<String>,
    /// What each of them is meant to be, by its name; older coordinators do not say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub payloads: BTreeMap<String, RolePayload>,
    /// Nothing new is to be placed on this host. The allocator's payload says it too; older hosts
    /// and coordinators know it only here.
    #[serde(default)]
    pub maintenance: bool,
}

impl DesiredState {
    /// These roles, of which nothing more is known.
    pub fn of(roles: &RoleSet) -> Self {
        let roles = roles.iter().map(|role| role.name().to_owned()).collect();
        Self { roles, ..Self::default() }
    }

    /// The roles that this version knows.
    pub fn known_roles(&self) -> RoleSet {
        self.roles.iter().filter_map(|name| name.parse::<Role>().ok()).collect()
    }

    /// Roles that a newer version can run and this one does not know: they have a payload. A name
    /// without one is of no role of ours.
    pub fn unknown_roles(&self) -> impl Iterator<Item = &str> {
        let of_later = |name: &&String| name.parse::<Role>().is_err();
        let meant = |name: &&String| self.roles.contains(name);
        self.payloads.keys().filter(of_later).filter(meant).map(String::as_str)
    }

    /// What `role` is meant to be, if the host is meant to have it.
    pub fn of_role(&self, role: Role) -> Option<RolePayload> {
        if !self.roles.iter().any(|name| name == role.name()) {
            return None;
        }
        let said = self.payloads.get(role.name()).cloned();
        Some(said.unwrap_or_else(|| match role {
            Role::Allocator => {
                let maintenance = self.maintenance;
                RolePayload::new(&DesiredAllocator { maintenance, ..Default::default() })
            }
            Role::Coordinator | Role::Director | Role::Proxy => RolePayload::default(),
        }))
    }
}

/// What a role is meant to be: an object whose fields are the role's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SaidPayload")]
pub struct RolePayload {
    /// Another one for each other content, and nothing that can be read.
    pub version: String,
    /// Where it is missing, only this role cannot read it.
    pub content: Value,
}

/// One without a version has that of its content: a payload keeps no host from reading the others.
#[derive(Deserialize)]
struct SaidPayload {
    version: Option<String>,
    #[serde(default)]
    content: Value,
}

impl From<SaidPayload> for RolePayload {
    fn from(SaidPayload { version, content }: SaidPayload) -> Self {
        Self { version: version.unwrap_or_else(|| version_of(&content)), content }
    }
}

fn version_of(content: &Value) -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.to_string().as_bytes());
    hex::encode(&digest.as_ref()[..8])
}

impl RolePayload {
    pub fn new<T: Serialize>(content: &T) -> Self {
        let content = serde_json::to_value(content).expect("plain data");
        Self { version: version_of(&content), content }
    }

    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        T::deserialize(&self.content)
    }
}

/// Of a role of which there is nothing to say.
impl Default for RolePayload {
    fn default() -> Self {
        Self::new(&serde_json::Map::new())
    }
}

/// What an allocator is meant to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredAllocator {
    /// Nothing new is to be placed on it.
    #[serde(default)]
    pub maintenance: bool,
    /// What it offers in place of what the host says of itself, in MB (2^20 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_mb: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocator(state: &DesiredState) -> DesiredAllocator {
        let payload = state.of_role(Role::Allocator).expect("it has the role");
        payload.read().expect("readable")
    }

    /// What version 0.1.0 said before roles had payloads; what is released must stay readable.
    #[test]
    fn a_state_without_payloads_is_read() {
        let said = r#"{"revision":7,"roles":["allocator","proxy","services-forwarder"],"maintenance":true}"#;
        let state: DesiredState = serde_json::from_str(said).expect("readable");
        assert_eq!(state.known_roles().to_string(), "allocator,proxy");
        assert!(allocator(&state).maintenance);
        assert_eq!(state.of_role(Role::Proxy), Some(RolePayload::default()));
        assert_eq!(state.of_role(Role::Director), None);
        let out_of_maintenance = DesiredState { maintenance: false, ..state.clone() };
        let version = |state: &DesiredState| state.of_role(Role::Allocator).expect("it").version;
        assert_ne!(version(&state), version(&out_of_maintenance));
    }

    #[test]
    fn a_state_with_payloads_is_read_and_what_a_later_version_adds_is_left_out() {
        let said = r#"{"revision":7,"roles":["allocator","director"],"maintenance":true,"payloads":{
            "allocator":{"version":"0d9a","content":{"maintenance":true,"capacity_mb":9000,"later":[1]},"later":1},
            "director":{"version":"1","content":{"ensemble":["10.0.0.1"]}},
            "services-forwarder":{"version":"2","content":null}}}"#;
        let state: DesiredState = serde_json::from_str(said).expect("readable");
        let expected = DesiredAllocator { maintenance: true, capacity_mb: Some(9000) };
        assert_eq!(allocator(&state), expected);
        assert_eq!(state.of_role(Role::Allocator).expect("it has it").version, "0d9a");
        assert_eq!(state.of_role(Role::Proxy), None);
    }

    #[test]
    fn a_payload_without_content_is_for_its_role_alone_to_complain_of() {
        let said = r#"{"revision":7,"roles":["allocator","proxy"],"payloads":{
            "proxy":{"version":"1"},"allocator":{"version":"2","content":{"maintenance":true}}}}"#;
        let state: DesiredState = serde_json::from_str(said).expect("readable");
        assert!(allocator(&state).maintenance);
        let proxy = state.of_role(Role::Proxy).expect("it has the role");
        assert_eq!((proxy.version.as_str(), &proxy.content), ("1", &Value::Null));
        assert!(proxy.read::<DesiredAllocator>().is_err());
    }

    #[test]
    fn a_payload_without_a_version_is_read_and_has_another_one_for_each_content() {
        let allocator = |content: &str| {
            let said = format!(
                r#"{{"revision":7,"roles":["allocator"],"payloads":{{"allocator":{{"content":{content}}}}}}}"#
            );
            let state: DesiredState = serde_json::from_str(&said).expect("readable");
            state.of_role(Role::Allocator).expect("it has the role")
        };
        let on = allocator(r#"{"maintenance":true}"#);
        assert!(on.read::<DesiredAllocator>().expect("readable").maintenance);
        assert_ne!(on.version, allocator(r#"{"maintenance":false}"#).version);
    }

    /// The fields that version 0.1.0 reads, as it reads them.
    #[test]
    fn what_this_version_says_is_read_by_hosts_that_know_no_payloads() {
        #[derive(Deserialize)]
        struct Before {
            revision: u64,
            roles: Vec<String>,
            #[serde(default)]
            maintenance: bool,
        }
        let roles: RoleSet = "allocator".parse().expect("a role");
        let mut state = DesiredState { revision: 7, maintenance: true, ..DesiredState::of(&roles) };
        let payload = DesiredAllocator { maintenance: true, capacity_mb: Some(9000) };
        state.payloads.insert("allocator".into(), RolePayload::new(&payload));
        let said = serde_json::to_string(&state).expect("plain data");
        let before: Before = serde_json::from_str(&said).expect("readable");
        assert_eq!((before.revision, before.maintenance), (7, true));
        assert_eq!(before.roles, ["allocator"]);
        assert_eq!(serde_json::from_str::<DesiredState>(&said).expect("its own"), state);
    }

    #[test]
    fn another_content_has_another_version_and_the_same_has_the_same() {
        let version = |capacity_mb| {
            RolePayload::new(&DesiredAllocator { capacity_mb, ..Default::default() }).version
        };
        assert_eq!(version(Some(1)), version(Some(1)));
        assert_ne!(version(Some(1)), version(Some(2)));
        assert_ne!(version(None), version(Some(0)));
    }
}
