//! Hosts as they are shown, and as they are searched.

use super::{
    hosts_now::HostNow,
    liveness::{HostState, Rival},
    member::Member,
};
use crate::{
    model::{Code, Failure, Role, is_like_a_field},
    rt::Timestamp,
    search::{Fields, IsMeant, Searchable, Value},
    wire::{
        allocators::{
            AllocatorCapacity, AllocatorCapacityMemory, AllocatorCapacityStorage,
            AllocatorHealthStatus, AllocatorInfo, AllocatorSettings, BuildInfo, MetadataItem,
        },
        platform::REGION,
        runners::{JoinedWith, RunnerClone, RunnerInfo, RunnerProblem, RunnerRoleInfo},
    },
};

/// What a query of people may name of an allocator.
pub const ALLOCATOR_FIELDS: Fields = Fields {
    names: &[
        "allocator_id",
        "build_info.version",
        "capacity.available_cpus",
        "capacity.memory.total",
        "capacity.memory.used",
        "capacity.storage.total",
        "host_ip",
        "metadata",
        "metadata.key",
        "metadata.value",
        "public_hostname",
        "region",
        "settings.capacity",
        "status.connected",
        "status.healthy",
        "status.maintenance_mode",
        "status.maintenance_mode_timestamp",
        "zone",
        "zone_id",
    ],
    // Nothing runs here yet; who asks for it has made no slip.
    open: &["instances", "metadata", "tags"],
};

/// The same of a runner.
pub const RUNNER_FIELDS: Fields = Fields {
    names: &[
        "build_info.version",
        "connected",
        "healthy",
        "host_ip",
        "maintenance_mode",
        "public_hostname",
        "region",
        "roles",
        "roles.role_name",
        "runner_id",
        "zone",
        "zone_id",
    ],
    open: &["containers", "metadata", "tags"],
};

/// A host as an allocator.
pub struct AllocatorView<'a>(pub HostNow<'a>);

/// A host as a runner.
pub struct RunnerView<'a>(pub HostNow<'a>);

/// As the contract counts: in 32 bits.
pub fn int32(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

pub fn metadata(host: &Member) -> Vec<MetadataItem> {
    let item =
        |(key, value): (&String, &String)| MetadataItem { key: key.clone(), value: value.clone() };
    host.metadata().iter().map(item).collect()
}

pub fn settings(host: &Member) -> AllocatorSettings {
    let given = host.allocator.capacity_mb.or(host.facts.capacity_flag_mb);
    AllocatorSettings { capacity: given.map(int32) }
}

impl AllocatorView<'_> {
    pub fn info(&self) -> AllocatorInfo {
        let (host, state) = (&*self.0.member, self.0.state());
        let (capacity_mb, source) = host.capacity_mb();
        let since = host.allocator.maintenance_since;
        AllocatorInfo {
            allocator_id: host.runner_id.to_string(),
            zone_id: host.facts.zone.to_string(),
            host_ip: host.facts.host_ip.to_string(),
            public_hostname: public_hostname(host),
            capacity: AllocatorCapacity {
                memory: AllocatorCapacityMemory { total: int32(capacity_mb), used: 0, source },
                storage: AllocatorCapacityStorage {
                    total: i64::try_from(host.facts.storage_bytes >> 20).unwrap_or(i64::MAX),
                },
                available_cpus: int32(host.facts.cpus),
            },
            settings: settings(host),
            instances: Vec::new(),
            metadata: metadata(host),
            status: AllocatorHealthStatus {
                connected: state.connected,
                healthy: state.is_healthy(Some(Role::Allocator)),
                maintenance_mode: since.is_some(),
                maintenance_mode_timestamp: since.map(Timestamp::rfc3339),
            },
            build_info: build_info(host),
            features: Vec::new(),
            external_links: Vec::new(),
            region: REGION.to_owned(),
        }
    }
}

impl Searchable for AllocatorView<'_> {
    fn any(&self, field: &str, is_meant: IsMeant<'_>) -> bool {
        let (host, allocator) = (&*self.0.member, Some(Role::Allocator));
        let since = host.allocator.maintenance_since;
        match field {
            "allocator_id" => is_meant(Value::text(host.runner_id.as_str())),
            "status.healthy" => is_meant(Value::Flag(self.0.state().is_healthy(allocator))),
            "status.connected" => is_meant(Value::Flag(self.0.state().connected)),
            "status.maintenance_mode" => is_meant(Value::Flag(since.is_some())),
            "status.maintenance_mode_timestamp" => {
                since.is_some_and(|at| is_meant(text(at.rfc3339())))
            }
            "capacity.memory.total" => is_meant(Value::Number(host.capacity_mb().0 as f64)),
            "capacity.memory.used" => is_meant(Value::Number(0.0)),
            "capacity.storage.total" => {
                is_meant(Value::Number((host.facts.storage_bytes >> 20) as f64))
            }
            "capacity.available_cpus" => is_meant(Value::Number(host.facts.cpus.into())),
            "settings.capacity" => {
                settings(host).capacity.is_some_and(|mb| is_meant(Value::Number(mb.into())))
            }
            "metadata" | "metadata.key" => {
                host.metadata().keys().any(|it| is_meant(Value::text(it)))
            }
            "metadata.value" => host.metadata().values().any(|it| is_meant(Value::text(it))),
            // What runs here: nothing does, and there is nothing to find.
            field => any_shared(host, field, is_meant),
        }
    }

    fn text_fields(&self) -> &'static [&'static str] {
        &["allocator_id", "zone_id", "host_ip", "public_hostname", "metadata.key", "metadata.value"]
    }
}

fn text(text: String) -> Value<'static> {
    Value::Text(text.into())
}

/// Fields that all kinds of hosts have.
fn any_shared(host: &Member, field: &str, is_meant: IsMeant<'_>) -> bool {
    match field {
        "zone_id" | "zone" => is_meant(Value::text(host.facts.zone.as_str())),
        "host_ip" | "public_hostname" => is_meant(text(host.facts.host_ip.to_string())),
        "region" => is_meant(Value::text(REGION)),
        "build_info.version" => is_meant(Value::text(&host.facts.version)),
        _ => {
            let key = field.strip_prefix("metadata.").or_else(|| field.strip_prefix("tags."));
            let value = key.and_then(|key| host.metadata().get(key));
            value.is_some_and(|it| is_meant(Value::text(it)))
        }
    }
}

impl RunnerView<'_> {
    pub fn info(&self) -> RunnerInfo {
        let (host, state) = (&*self.0.member, self.0.state());
        let tags = host.tags();
        let role = |name: &str| RunnerRoleInfo { role_name: name.to_owned() };
        let names = host.roles.iter().map(|known| role(known.name()));
        RunnerInfo {
            runner_id: host.runner_id.to_string(),
            zone: host.facts.zone.to_string(),
            tags,
            build_info: build_info(host),
            host_ip: host.facts.host_ip.to_string(),
            public_hostname: public_hostname(host),
            containers: Vec::new(),
            roles: names.chain(host.other_roles.iter().map(|name| role(name))).collect(),
            connected: state.connected,
            healthy: state.is_healthy(None),
            region: REGION.to_owned(),
            joined: JoinedWith {
                at: host.joined.at.rfc3339(),
                token_id: host.joined.token.map(|token| token.to_string()),
                source_address: host.joined.source_address,
                overridden_checks: host.joined.overridden.clone(),
            },
            boot_id: state.boot_id.map(|id| id.to_string()),
            maintenance_mode: host.allocator.maintenance_since.is_some(),
            lost_at: state.lost_at.map(Timestamp::rfc3339),
            passages: Vec::new(),
            clones: state.rivals.iter().map(clone_shown).collect(),
            problems: problems_shown(self.0.problems(), host, state),
        }
    }
}

/// What is not as it should be with a host: as it is known here, and as the host says.
fn problems_shown(known: Vec<Failure>, host: &Member, state: &HostState) -> Vec<RunnerProblem> {
    // How the datastore here is doing is better known here.
    let store_failed = known.iter().any(|it| it.is(Code::StoreFailed));
    let is_told = |it: &Failure| store_failed && it.is(Code::StoreFailed);
    let like_a_field = host.tags().keys().any(|name| is_like_a_field(name));
    let tags_problem = like_a_field.then_some(Code::PreflightTags);
    let of_tags = tags_problem.map(|code| Failure::new(code, code.cause()));
    let said = state.role_failures().filter(|it| !is_told(it));
    known.iter().cloned().chain(of_tags).chain(said).map(|it| problem_shown(&it)).collect()
}

fn problem_shown(failure: &Failure) -> RunnerProblem {
    let fix = Some(failure.fix.to_string()).filter(|fix| !fix.is_empty());
    RunnerProblem { code: failure.code().to_owned(), message: failure.message.clone(), fix }
}

fn clone_shown(rival: &Rival) -> RunnerClone {
    RunnerClone {
        address: rival.address,
        boot_id: rival.boot_id.map(|id| id.to_string()),
        seen_at: rival.seen_at.rfc3339(),
    }
}

impl Searchable for RunnerView<'_> {
    fn any(&self, field: &str, is_meant: IsMeant<'_>) -> bool {
        let host = &*self.0.member;
        match field {
            "runner_id" => is_meant(Value::text(host.runner_id.as_str())),
            "connected" => is_meant(Value::Flag(self.0.state().connected)),
            "healthy" => is_meant(Value::Flag(self.0.state().is_healthy(None))),
            "maintenance_mode" => is_meant(Value::Flag(host.allocator.maintenance_since.is_some())),
            "roles" | "roles.role_name" => {
                host.roles.iter().any(|role| is_meant(Value::text(role.name())))
                    || host.other_roles.iter().any(|name| is_meant(Value::text(name)))
            }
            field => any_shared(host, field, is_meant),
        }
    }

    fn text_fields(&self) -> &'static [&'static str] {
        &["runner_id", "zone", "host_ip", "public_hostname", "roles.role_name"]
    }
}

/// The address, as ECE shows it for a host that was given no public name.
pub fn public_hostname(host: &Member) -> String {
    host.facts.host_ip.to_string()
}

pub fn build_info(host: &Member) -> BuildInfo {
    BuildInfo { commit_hash: String::new(), version: host.facts.version.clone() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cluster::{
            app::datastore_full,
            operations::enrolment::enrol,
            testing::{TestCluster, polls_of},
        },
        wire::hosts::RoleHealth,
    };

    #[tokio::test]
    async fn a_datastore_that_has_failed_a_role_is_shown_once() {
        let cluster = TestCluster::start().await;
        let (app, caller) = (&cluster.app, cluster.caller(7));
        let token = cluster.token("allocator", None, None).await;
        let host = enrol(app, caller, cluster.request(7, "allocator", &token)).await;
        let host = Arc::new(host.expect("joined"));
        let source = polls_of(caller);
        let ill = RoleHealth::from(&Failure::new(Code::StoreFailed, "d"));
        app.liveness.poll(&host.runner_id, source, [(Role::Allocator, ill)].into());
        let now = app.now(host);
        let shown = |known: Vec<Failure>| -> Vec<String> {
            let shown = problems_shown(known, &now.member, now.state());
            shown.into_iter().map(|it| it.message).collect()
        };
        let said = "the role allocator is not healthy, as the host says: d";
        assert_eq!(shown(now.problems()), [said]);
        assert_eq!(shown(vec![datastore_full()]), [datastore_full().message]);
    }
}
