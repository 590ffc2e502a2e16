use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::{
    config::HostSettings,
    host::{Machine, Memory, SharedMachine, Storage},
    model::{CapacitySource, Code, Failure},
    wire::hosts::Facts,
};

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
    let (memory, hostname) = (machine.memory()?, machine.hostname()?);
    let storage = machine.storage(&settings.instances_dir())?;
    Ok(facts(settings, host_ip, machine.cpus(), hostname, memory, storage))
}

fn facts(
    settings: &HostSettings,
    host_ip: IpAddr,
    cpus: u32,
    hostname: String,
    memory: Memory,
    storage: Storage,
) -> Facts {
    Facts {
        host_ip,
        hostname,
        cpus,
        memory_bytes: memory.bytes,
        memory_source: memory.source,
        capacity_flag_mb: settings.capacity_mb,
        storage_bytes: storage.total,
        zone: settings.zone.clone(),
        allocator_tags: settings.allocator_tags.clone(),
        proxy_tags: settings.proxy_tags.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// How long a file system has to answer before it is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads the facts of a member again and again. What cannot be read stays as it was, and is told.
#[derive(Default)]
pub struct FactsReader {
    last: Option<Facts>,
    /// One at a time: a network file system may never answer.
    asked: Option<JoinHandle<io::Result<Storage>>>,
}

impl FactsReader {
    /// The facts now, and why they are not all of today.
    pub async fn read(
        &mut self,
        settings: &HostSettings,
        machine: &SharedMachine,
        HostIp(host_ip): HostIp,
    ) -> (Facts, Option<Failure>) {
        let mut unread = Vec::new();
        let mut note = |what: &str, error: io::Error| unread.push(format!("{what}: {error}"));
        let last = self.last.take();
        let last = last.as_ref();
        let memory = machine.memory().unwrap_or_else(|error| {
            note("its memory", error);
            let nothing = Memory { bytes: 0, source: CapacitySource::Physical };
            last.map_or(nothing, |last| Memory {
                bytes: last.memory_bytes,
                source: last.memory_source,
            })
        });
        let hostname = machine.hostname().unwrap_or_else(|error| {
            note("its name", error);
            last.map(|last| last.hostname.clone()).unwrap_or_default()
        });
        let dir = settings.instances_dir();
        let storage_bytes = match self.storage(&dir, machine).await {
            Ok(storage) => storage.total,
            Err(error) => {
                note(&format!("the file system of {}", dir.display()), error);
                last.map(|last| last.storage_bytes).unwrap_or_default()
            }
        };
        let storage = Storage { total: storage_bytes, free: 0 };
        let facts = facts(settings, host_ip, machine.cpus(), hostname, memory, storage);
        self.last = Some(facts.clone());
        let failure = (!unread.is_empty()).then(|| {
            Failure::new(Code::FactsUnreadable, format!("not read: {}", unread.join(", ")))
        });
        (facts, failure)
    }

    async fn storage(&mut self, dir: &Path, machine: &SharedMachine) -> io::Result<Storage> {
        // Whoever did not answer last time is not waited for again.
        let patience = if self.asked.is_some() { Duration::ZERO } else { PATIENCE };
        let asked = self.asked.get_or_insert_with(|| {
            let (machine, dir) = (machine.clone(), dir.to_owned());
            spawn_blocking(move || machine.storage(&dir))
        });
        match timeout(patience, asked).await {
            Ok(answered) => {
                self.asked = None;
                answered.map_err(io::Error::other)?
            }
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
