use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::{config::HostSettings, host::Machine, wire::hosts::Facts};

/// The address that a host goes by.
#[derive(Debug, Clone, Copy)]
pub struct HostIp(pub IpAddr);

impl HostIp {
    /// The one that was given, else the one that routes to the coordinator.
    pub fn choose(
        settings: &HostSettings,
        machine: &dyn Machine,
        coordinator: SocketAddr,
    ) -> io::Result<Self> {
        match settings.host_ip {
            Some(address) => Ok(Self(address)),
            None => machine.address_towards(coordinator).map(Self),
        }
    }
}

/// What this host says about itself, now.
pub fn gather_facts(
    settings: &HostSettings,
    machine: &dyn Machine,
    HostIp(host_ip): HostIp,
) -> io::Result<Facts> {
    let memory = machine.memory()?;
    Ok(Facts {
        host_ip,
        hostname: machine.hostname()?,
        cpus: machine.cpus(),
        memory_bytes: memory.bytes,
        memory_source: memory.source,
        capacity_flag_mb: settings.capacity_mb,
        storage_bytes: machine.storage(&settings.instances_dir())?.total,
        zone: settings.zone.clone(),
        allocator_tags: settings.allocator_tags.clone(),
        proxy_tags: settings.proxy_tags.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
