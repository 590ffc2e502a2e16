use std::path::{Path, PathBuf};

use super::local_coordinator::{addresses, open_store, seal_failure, store_failure};
use crate::{
    agent::{
        HostIp, HostStart, Identity, Journal, Phase, Step, begin_membership, load_or_make_key,
        not_writable, prepare_state_dir,
    },
    cluster::{
        bootstrap::{self, Asking, BootstrapError, FirstHost, register_key},
        seal::MasterKey,
        secrets::ClusterError,
    },
    config::{FirstHostOptions, StateDir},
    model::{Code, CoordinatorLayout, Failure, RoleSet, RunnerId},
    rt::{Timestamp, files},
    store::SqliteStore,
    tls::PrivateKey,
    wire::hosts::Facts,
};

/// An address that is never anybody's: asking for the way to it finds the default route.
const ANYWHERE: &str = "192.0.2.1:9";

/// Everything that the setting up of a first host begins with.
pub struct FirstHostStart<'a> {
    pub host: HostStart<'a>,
    pub options: FirstHostOptions,
}

/// The machine can be what it is asked to be.
struct Looked<'a> {
    start: FirstHostStart<'a>,
    facts: Facts,
}

/// The host has a key and a name, which it keeps however often this is repeated.
struct Named<'a> {
    looked: Looked<'a>,
    key: PrivateKey,
    runner_id: RunnerId,
}

/// A cluster that is there, and whose first host this is.
#[derive(Debug)]
pub struct SetUp {
    pub identity: Identity,
    /// Where the operator finds passwords and tokens.
    pub secrets_file: PathBuf,
    pub made_now: bool,
}

impl<'a> FirstHostStart<'a> {
    /// Makes the cluster, up to the point where the daemon takes over.
    pub async fn set_up(self, now: Timestamp) -> Result<SetUp, Failure> {
        let named = self.look().await?.name()?;
        named.bootstrap(now).await
    }

    async fn look(self) -> Result<Looked<'a>, Failure> {
        let host = &self.host;
        host.progress.started(Step::Preflight);
        prepare_state_dir(host.state)?;
        let towards = ANYWHERE.parse().expect("an address");
        let host_ip = HostIp::choose(&host.settings, &*host.machine, towards).map_err(|error| {
            let message =
                format!("this machine has no default route to tell its address by: {error}");
            Failure::new(Code::ConfigInvalid, message).with_fix("Add --host-ip IP.")
        })?;
        let facts = host.look(&self.options.roles, host_ip, None).await?.facts;
        let result = format!(
            "host IP {}, {} CPUs, {} MB of memory",
            facts.host_ip,
            facts.cpus,
            facts.memory_bytes >> 20
        );
        host.progress.finished(Step::Preflight, &result);
        Ok(Looked { start: self, facts })
    }
}

impl<'a> Looked<'a> {
    fn name(self) -> Result<Named<'a>, Failure> {
        let host = &self.start.host;
        host.progress.started(Step::Key);
        let key = load_or_make_key(host.state)?;
        host.progress.finished(Step::Key, &key.fingerprint().to_string());
        let file = host.state.journal();
        let journal = Journal::load(host.state).map_err(|error| not_writable(&file, error))?;
        let (given, host_ip) = (host.runner_id.as_ref(), self.facts.host_ip);
        let runner_id = Journal::settle_runner_id(journal.as_ref(), given, host_ip)?;
        let named = Named { looked: self, key, runner_id };
        named.note(Phase::EnrolmentSent)?;
        Ok(named)
    }
}

impl Named<'_> {
    fn note(&self, phase: Phase) -> Result<(), Failure> {
        self.note_as(&self.runner_id, &self.looked.start.options.roles, phase)
    }

    fn note_as(&self, name: &RunnerId, roles: &RoleSet, phase: Phase) -> Result<(), Failure> {
        let host = &self.looked.start.host;
        let storage_path = Some(host.settings.storage_path.clone());
        let journal =
            Journal { phase, runner_id: name.clone(), roles: roles.clone(), storage_path };
        journal.save(host.state).map_err(|error| not_writable(&host.state.journal(), error))
    }

    async fn bootstrap(self, now: Timestamp) -> Result<SetUp, Failure> {
        let Looked { start: FirstHostStart { host, options }, facts } = &self.looked;
        let host_ip = facts.host_ip;
        host.progress.started(Step::Bootstrap);
        let dir = host.state.coordinator();
        files::create_private_dir(&dir).map_err(|error| not_writable(&dir, error))?;
        let files = CoordinatorLayout::of(&dir);
        let (master_key, tls_key) = (files.master_key(), files.tls_key());
        let master = match holds_anything(&files.store()) {
            true => MasterKey::load(&master_key),
            false => {
                nothing_may_be_left(&[files.store_log(), tls_key.clone()])?;
                MasterKey::load_or_create(&master_key)
            }
        };
        let master = master.map_err(seal_failure)?;
        let secrets_file = host.settings.storage().secrets_file();
        let first = FirstHost {
            runner_id: self.runner_id.clone(),
            runner_id_given: host.runner_id.is_some(),
            key: self.key.fingerprint(),
            roles: options.roles.clone(),
            facts: facts.clone(),
            addresses: addresses(host_ip, &host.settings),
            dir,
            secrets_file: secrets_file.clone(),
            plan_key: plan_key(options)?,
        };
        let store = open_store(host.state)?;
        if !bootstrap::is_there(&*store).await.map_err(store_failure)? {
            nothing_may_be_left(&[tls_key])?;
        }
        let cluster =
            bootstrap::bootstrap(&*store, &master, &first, now).await.map_err(bootstrap_failure);
        // The name that was tried is not the host's.
        if cluster.as_ref().is_err_and(|failure| failure.is(Code::InstallRunnerIdDiffers)) {
            self.note(Phase::KeyMade)?;
        }
        let cluster = cluster?;
        let known = match cluster.has_new_key {
            true => ", which knows this host by its new key",
            false => "",
        };
        let identity = Identity::new(
            cluster.runner_id,
            cluster.cluster_id.clone(),
            host_ip,
            cluster.roles,
            true,
            host.settings.clone(),
            addresses(host_ip, &host.settings),
            Vec::new(),
            cluster.pins,
            cluster.ca_certificate,
        );
        begin_membership(host.state, &identity)?;
        self.note_as(&identity.runner_id, &identity.joined_roles, Phase::Enrolled)?;
        host.progress.finished(Step::Bootstrap, &format!("cluster {}{known}", cluster.cluster_id));
        Ok(SetUp { identity, secrets_file, made_now: cluster.made_now })
    }
}

/// Lets the cluster know this host, its first, by its key, where it knows nobody by that: its data
/// may have come from a backup that is older than the key. Whether it has learnt it; what else is
/// amiss with the data is the daemon's to tell.
pub async fn register_own_key(
    state: &StateDir,
    identity: &Identity,
    key: &PrivateKey,
    now: Timestamp,
) -> bool {
    let file = CoordinatorLayout::of(&state.coordinator()).store();
    let Ok(store) = SqliteStore::open_to_look(&file) else { return false };
    let asking = Asking {
        runner_id: identity.runner_id.clone(),
        runner_id_given: true,
        key: key.fingerprint(),
        host_ip: identity.host_ip,
    };
    register_key(&store, &asking, &identity.cluster_id, now).await.unwrap_or(false)
}

fn plan_key(options: &FirstHostOptions) -> Result<Option<MasterKey>, Failure> {
    let Some(text) = &options.plan_key else { return Ok(None) };
    let key = MasterKey::from_hex(text.0.expose().as_bytes());
    let damaged = || Failure::new(Code::Internal, "root's key for the plan of the cluster is none");
    key.map(Some).ok_or_else(damaged)
}

fn holds_anything(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.len() > 0)
}

/// What only a coordinator that has run leaves behind says that a datastore is missing.
fn nothing_may_be_left(files: &[PathBuf]) -> Result<(), Failure> {
    let left = files.iter().find(|file| holds_anything(file));
    let Some(file) = left else { return Ok(()) };
    let message = format!("{} is there, and no datastore with a cluster", file.display());
    Err(Failure::new(Code::StoreMissing, message))
}

fn bootstrap_failure(error: BootstrapError) -> Failure {
    let message = error.to_string();
    match error {
        BootstrapError::Store(error) => store_failure(error),
        BootstrapError::Seal(error) | BootstrapError::Cluster(ClusterError::Seal(error)) => {
            seal_failure(error)
        }
        BootstrapError::SecretsOfAnother(_) => Failure::new(Code::StorageSecretsOfAnother, message),
        BootstrapError::FirstHostIs(_) => Failure::new(Code::InstallRunnerIdDiffers, message),
        BootstrapError::KeyOfAnother(_) => Failure::new(Code::IdentityOfAnother, message),
        BootstrapError::File { .. } => Failure::new(Code::StateNotWritable, message),
        BootstrapError::DamagedPlan(_) | BootstrapError::Key(_) | BootstrapError::Cluster(_) => {
            Failure::new(Code::StoreFailed, message)
        }
    }
}
