use std::{io, net::IpAddr, path::PathBuf};

use super::local_coordinator::{addresses, open_store, store_failure};
use crate::{
    agent::{
        HostIp, Identity, Journal, Phase, Progress, Step, begin_membership, gather_facts,
        load_or_make_key, not_writable, prepare_state_dir, proxies_in_environment, run_checks,
    },
    cluster::{
        bootstrap::{self, BootstrapError, FirstHost},
        seal::{MasterKey, SealError},
    },
    config::{FirstHostOptions, HostSettings, StateDir, only_address},
    host::Machine,
    model::{Code, Failure, RunnerId},
    preflight,
    rt::{Timestamp, files},
    tls::PrivateKey,
};

/// An address that is never anybody's: asking for the way to it finds the default route.
const ANYWHERE: &str = "192.0.2.1:9";

/// Everything that the setting up of a first host begins with.
pub struct FirstHostStart<'a> {
    pub options: FirstHostOptions,
    pub settings: HostSettings,
    pub runner_id: Option<RunnerId>,
    pub state: &'a StateDir,
    pub machine: &'a dyn Machine,
    pub progress: &'a dyn Progress,
    /// What production needs is only a warning.
    pub relaxed: bool,
    /// The daemon is going to be a service.
    pub as_service: bool,
    /// Checks not to make.
    pub skip: &'a [Code],
}

/// A cluster that is there, and whose first host this is.
#[derive(Debug)]
pub struct SetUp {
    pub identity: Identity,
    /// Where the operator finds passwords and tokens.
    pub secrets_file: PathBuf,
    pub made_now: bool,
}

impl FirstHostStart<'_> {
    /// Makes the cluster, up to the point where the daemon takes over.
    pub async fn set_up(self, now: Timestamp) -> Result<SetUp, Failure> {
        let host_ip = self.preflight()?;
        let key = self.key()?;
        let journal = Journal::load(self.state)
            .map_err(|error| not_writable(&self.state.journal(), error))?;
        let runner_id =
            Journal::settle_runner_id(journal.as_ref(), self.runner_id.as_ref(), host_ip)?;
        let journal = Journal {
            phase: Phase::EnrolmentSent,
            runner_id: runner_id.clone(),
            roles: self.options.roles.clone(),
        };
        let not_written = |error| not_writable(&self.state.journal(), error);
        journal.save(self.state).map_err(not_written)?;

        self.progress.started(Step::Bootstrap);
        let dir = self.state.coordinator();
        files::create_private_dir(&dir).map_err(|error| not_writable(&dir, error))?;
        let key_file = dir.join("master.key");
        let master = MasterKey::load_or_create(&key_file).map_err(|error| {
            let mut failure = bootstrap_failure(error.into());
            failure.message = format!("{}: {}", key_file.display(), failure.message);
            failure
        })?;
        let facts = gather_facts(&self.settings, self.machine, HostIp(host_ip)).map_err(unread)?;
        let secrets_file =
            self.settings.storage_path.join("bootstrap-state").join("bootstrap-secrets.json");
        let host = FirstHost {
            runner_id: runner_id.clone(),
            key: key.fingerprint(),
            roles: self.options.roles.clone(),
            facts,
            addresses: addresses(host_ip, &self.settings),
            dir,
            secrets_file: secrets_file.clone(),
        };
        let store = open_store(self.state)?;
        let cluster =
            bootstrap::bootstrap(&*store, &master, &host, now).await.map_err(bootstrap_failure)?;
        let identity = Identity::new(
            runner_id,
            cluster.cluster_id.clone(),
            host_ip,
            self.options.roles.clone(),
            true,
            self.settings.clone(),
            addresses(host_ip, &self.settings),
            Vec::new(),
            cluster.pins,
            cluster.ca_certificate,
        );
        begin_membership(self.state, &identity)?;
        Journal { phase: Phase::Enrolled, ..journal }.save(self.state).map_err(not_written)?;
        self.progress.finished(Step::Bootstrap, &format!("cluster {}", cluster.cluster_id));
        Ok(SetUp { identity, secrets_file, made_now: cluster.made_now })
    }

    fn preflight(&self) -> Result<IpAddr, Failure> {
        self.progress.started(Step::Preflight);
        prepare_state_dir(self.state)?;
        let towards = ANYWHERE.parse().expect("an address");
        let HostIp(host_ip) =
            HostIp::choose(&self.settings, self.machine, towards).map_err(|error| {
                let message =
                    format!("this machine has no default route to tell its address by: {error}");
                Failure::new(Code::ConfigInvalid, message).with_fix("Add --host-ip IP.")
            })?;
        let context = preflight::Context {
            machine: self.machine,
            settings: &self.settings,
            roles: &self.options.roles,
            bind: only_address(host_ip),
            relaxed: self.relaxed,
            as_service: self.as_service,
            look_only: false,
            denied: None,
            installed: None,
            reach: None,
            skip: self.skip,
            proxies: proxies_in_environment(),
        };
        run_checks(&context, self.progress)?;
        let facts = gather_facts(&self.settings, self.machine, HostIp(host_ip)).map_err(unread)?;
        let result = format!(
            "host IP {host_ip}, {} CPUs, {} MB of memory",
            facts.cpus,
            facts.memory_bytes >> 20
        );
        self.progress.finished(Step::Preflight, &result);
        Ok(host_ip)
    }

    fn key(&self) -> Result<PrivateKey, Failure> {
        self.progress.started(Step::Key);
        let key = load_or_make_key(self.state)?;
        self.progress.finished(Step::Key, &key.fingerprint().to_string());
        Ok(key)
    }
}

fn unread(error: io::Error) -> Failure {
    Failure::new(Code::Internal, format!("this machine cannot be read: {error}"))
}

fn bootstrap_failure(error: BootstrapError) -> Failure {
    let message = error.to_string();
    match error {
        BootstrapError::Store(error) => store_failure(error),
        BootstrapError::SecretsOfAnother(_) => Failure::new(Code::StorageSecretsOfAnother, message),
        BootstrapError::File { .. } | BootstrapError::Seal(SealError::Io(_)) => {
            Failure::new(Code::StateNotWritable, message)
        }
        BootstrapError::DamagedPlan(_)
        | BootstrapError::Seal(_)
        | BootstrapError::Key(_)
        | BootstrapError::Cluster(_) => Failure::new(Code::IdentityUnreadable, message),
    }
}
