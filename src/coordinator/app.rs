use std::sync::Arc;

use super::{
    cluster::Cluster,
    failures::Failures,
    liveness::Liveness,
    passwords::Passwords,
    records::HostRecord,
    registry::Registry,
    seal::MasterKey,
    services::{audit::AuditGrowth, members::HostAllowances},
    sessions::Sessions,
};
use crate::{
    model::{Fingerprint, Role},
    rt::{Clock, Shutdown},
    store::SharedStore,
    wire::hosts::KnownCoordinator,
};

/// What every part of a running coordinator works with.
pub struct App {
    pub store: SharedStore,
    pub registry: Arc<Registry>,
    pub liveness: Arc<Liveness>,
    pub passwords: Passwords,
    pub sessions: Sessions,
    pub failures: Failures,
    pub audit_growth: AuditGrowth,
    pub host_allowances: HostAllowances,
    pub cluster: Cluster,
    /// Opens and seals what is secret in the store.
    pub master: MasterKey,
    pub clock: Clock,
    pub shutdown: Shutdown,
    pub key: Fingerprint,
    /// Where hosts reach it, the preferred way first.
    pub addresses: Vec<crate::model::CoordinatorAddress>,
}

impl App {
    /// The member with this runner id that has `role`, if one is asked for.
    pub fn member(&self, id: &str, role: Option<Role>) -> Option<Arc<HostRecord>> {
        let host = self.registry.view().host(&id.parse().ok()?)?;
        role.is_none_or(|role| host.has(role)).then_some(host)
    }

    /// The coordinators that hosts may turn to.
    pub fn known_coordinators(&self) -> Vec<KnownCoordinator> {
        self.addresses
            .iter()
            .map(|address| KnownCoordinator { address: address.clone(), key: self.key })
            .collect()
    }
}
