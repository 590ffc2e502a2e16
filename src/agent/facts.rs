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
    config::{HostSettings, StateDir},
    host::{Machine, Memory, SharedMachine, Storage},
    model::{CapacitySource, Code, Failure},
    rt::{Patient, aside, files},
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
    let storage_bytes = machine.storage(&settings.storage().instances())?.total;
    Ok(facts(settings, host_ip, machine.cpus(), hostname, memory, storage_bytes))
}

fn facts(
    settings: &HostSettings,
    host_ip: IpAddr,
    cpus: u32,
    hostname: String,
    memory: Memory,
    storage_bytes: u64,
) -> Facts {
    Facts {
        host_ip,
        hostname,
        cpus,
        memory_bytes: memory.bytes,
        memory_source: memory.source,
        capacity_flag_mb: settings.capacity_mb,
        storage_bytes,
        zone: settings.zone.clone(),
        allocator_tags: settings.allocator_tags.clone(),
        proxy_tags: settings.proxy_tags.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// How long a file system has to answer before it is left out.
const PATIENCE: Duration = Duration::from_secs(2);

const MAX_FILE: u64 = 1 << 20;

/// Reads the facts of a member again and again. What cannot be read stays as it was, also when the
/// daemon starts again, and is told.
pub struct FactsReader {
    state: StateDir,
    last: Option<Facts>,
    /// One at a time: a network file system may never answer.
    asked: Option<JoinHandle<io::Result<Storage>>>,
    disk: Patient,
    kept: bool,
}

impl FactsReader {
    /// Begins with what was read before.
    pub async fn load(state: &StateDir) -> Self {
        let file = state.facts();
        let kept = aside(move || files::read_kept(&file, MAX_FILE).ok().flatten()).await;
        let last = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        Self { state: state.clone(), last, asked: None, disk: Patient::default(), kept: true }
    }

    async fn keep(&mut self, facts: &Facts) {
        let (file, content) = (self.state.facts(), serde_json::to_vec(facts));
        let content = content.expect("plain data");
        let kept = self.disk.aside(move || files::write_private(&file, &content)).await;
        let kept = kept.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = &kept
            && std::mem::replace(&mut self.kept, false)
        {
            tracing::warn!(%error, "what was read of the machine was not kept: {error}");
        }
        self.kept = kept.is_ok();
    }

    /// The facts now, and why they are not all of today.
    pub async fn read(
        &mut self,
        settings: &HostSettings,
        machine: &SharedMachine,
        HostIp(host_ip): HostIp,
    ) -> (Facts, Option<Failure>) {
        let mut unread = Vec::new();
        let mut note = |what: &str, error: io::Error| unread.push(format!("{what}: {error}"));
        let kept = self.last.take();
        let last = kept.as_ref();
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
        let dir = settings.storage().instances();
        let storage_bytes = match self.storage(&dir, machine).await {
            Ok(storage) => storage.total,
            Err(error) => {
                note(&format!("the file system of {}", dir.display()), error);
                last.map(|last| last.storage_bytes).unwrap_or_default()
            }
        };
        let facts = facts(settings, host_ip, machine.cpus(), hostname, memory, storage_bytes);
        if last != Some(&facts) || !self.kept {
            self.keep(&facts).await;
        }
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
