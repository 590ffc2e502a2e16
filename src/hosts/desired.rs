use crate::{
    cluster::member::Member,
    model::Role,
    wire::desired::{DesiredAllocator, DesiredState, RolePayload},
};

/// What a host is told to run.
pub(super) fn desired_state(host: &Member) -> DesiredState {
    let names = host.roles.iter().map(|role| role.name().to_owned());
    let payloads = host.roles.iter().map(|role| (role.name().to_owned(), payload(role, host)));
    DesiredState {
        revision: host.desired_revision(),
        roles: names.chain(host.other_roles.iter().cloned()).collect(),
        payloads: payloads.collect(),
        maintenance: host.allocator.maintenance_since.is_some(),
    }
}

fn payload(role: Role, host: &Member) -> RolePayload {
    match role {
        Role::Allocator => RolePayload::new(&DesiredAllocator {
            maintenance: host.allocator.maintenance_since.is_some(),
            capacity_mb: host.allocator.capacity_mb,
        }),
        // There are no routes, and where the datastore is is no choice yet.
        Role::Coordinator | Role::Director | Role::Proxy => RolePayload::default(),
    }
}
