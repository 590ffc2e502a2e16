use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    agent::{Identity, InProcess, LocalAdministration, RoleService, not_writable},
    cluster::{seal::SealError, secrets::ClusterError},
    config::{HostSettings, StateDir, only_address},
    coordinator::{CoordinatorConfig, Ended, LocalAccess, METRICS_PORT, StartError},
    host::Machine,
    model::{Code, CoordinatorAddress, Failure, HOSTS_PORT, Role},
    preflight::taken_port,
    rt::{Clock, ShutdownTrigger, files},
    server::Listeners,
    store::{SharedStore, SqliteStore, StoreError},
    wire::hosts::SecretText,
};

/// The coordinator of a cluster whose data is on this machine, with its datastore.
pub(super) struct LocalCoordinator {
    store: SharedStore,
    task: JoinHandle<Result<(), Ended>>,
    stop: ShutdownTrigger,
    access: LocalAccess,
}

/// The way from the daemon's socket to the coordinator in the same process.
struct Administration(LocalAccess);

#[async_trait::async_trait]
impl LocalAdministration for Administration {
    async fn set_password(&self, user: &str, password: SecretText) -> Result<(), String> {
        self.0.set_password(user, &password.0).await
    }
}

impl LocalCoordinator {
    pub(super) async fn start(
        state: &StateDir,
        identity: &Identity,
        machine: &dyn Machine,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let listeners =
            Listeners::bind(only_address(identity.host_ip)).map_err(|(address, error)| {
                let (message, fix) = taken_port(address, &error);
                Failure::new(Code::PreflightPort, message).with_fix(fix)
            })?;
        cluster_must_be_there(state)?;
        let store = open_store(state)?;
        let (stop, shutdown) = ShutdownTrigger::new();
        let config = CoordinatorConfig {
            dir: state.coordinator(),
            store: store.clone(),
            listeners,
            runner_id: identity.runner_id.clone(),
            names: certificate_names(identity.host_ip, &identity.settings, machine),
            addresses: addresses(identity.host_ip, &identity.settings),
            clock: clock.clone(),
            metrics: metrics_listener(identity).await,
        };
        let coordinator = config.start(shutdown.clone()).await.map_err(start_failure)?;
        let access = coordinator.local_access();
        let task = tokio::spawn(coordinator.finished());
        Ok(Self { store, task, stop, access })
    }

    pub(super) fn administration(&self) -> Arc<dyn LocalAdministration> {
        Arc::new(Administration(self.access.clone()))
    }

    /// Returns when it can go on no longer.
    pub(super) async fn failed(&mut self) -> Failure {
        tokio::select! {
            error = self.store.failed() => store_failure(error),
            ended = &mut self.task => match ended {
                Ok(Err(error)) => why_it_ended(error),
                Ok(Ok(())) => Failure::new(Code::Internal, "the coordinator ended by itself"),
                Err(error) => Failure::new(Code::Internal, error.to_string()),
            },
        }
    }

    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.stop.fire();
        match self.task.await {
            Ok(ended) => ended.map_err(why_it_ended),
            Err(error) => Err(Failure::new(Code::Internal, error.to_string())),
        }
    }
}

/// Metrics are nice to have: without their port the coordinator does its work all the same.
async fn metrics_listener(identity: &Identity) -> Option<TcpListener> {
    let own = only_address(identity.host_ip).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = identity.settings.metrics_listen;
    let address = address.unwrap_or_else(|| SocketAddr::new(own, METRICS_PORT));
    let bound = TcpListener::bind(address).await;
    bound.inspect_err(|error| tracing::warn!(%address, %error, "no metrics are served")).ok()
}

/// What this process does for these roles is to be alive: they end with it.
pub(super) fn role_services() -> [Box<dyn RoleService>; 2] {
    [
        InProcess::service(Role::Coordinator, "serves the API on 12443 and hosts on 12343"),
        InProcess::service(Role::Director, "keeps the datastore on this machine"),
    ]
}

pub(super) fn open_store(state: &StateDir) -> Result<SharedStore, Failure> {
    let dir = state.coordinator();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| not_writable(&dir, error))?;
    for name in ["master.key", "tls.key", "store.db"] {
        let file = dir.join(name);
        if let Some(reason) = files::why_exposed(&file) {
            tracing::warn!(%reason, "{} is not the daemon's alone: {reason}", file.display());
        }
    }
    let store = SqliteStore::open(&dir.join("store.db")).map_err(store_failure)?;
    Ok(Arc::new(store))
}

/// What a cluster cannot be without is never made anew where there was one.
pub fn cluster_must_be_there(state: &StateDir) -> Result<(), Failure> {
    let dir = state.coordinator();
    for file in [dir.join("store.db"), dir.join("master.key")] {
        let what = match file.metadata() {
            Ok(found) if found.len() == 0 => "is empty",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is missing",
            // Whether it can be read is seen by whoever reads it.
            Ok(_) | Err(_) => continue,
        };
        let message = format!("{} {what}", file.display());
        return Err(Failure::new(Code::StoreMissing, message));
    }
    Ok(())
}

/// Where hosts reach this coordinator.
pub(super) fn addresses(host_ip: IpAddr, settings: &HostSettings) -> Vec<CoordinatorAddress> {
    std::iter::once(host_ip.to_string())
        .chain(settings.external_hostnames.iter().cloned())
        .filter_map(|host| host.parse::<CoordinatorAddress>().ok())
        .map(|address| address.with_port(HOSTS_PORT))
        .collect()
}

fn certificate_names(
    host_ip: IpAddr,
    settings: &HostSettings,
    machine: &dyn Machine,
) -> Vec<String> {
    let mut names = vec![host_ip.to_string()];
    names.extend(machine.hostname().ok().filter(|name| name.is_ascii() && !name.is_empty()));
    names.extend(settings.external_hostnames.iter().cloned());
    names.dedup();
    names
}

fn why_it_ended(ended: Ended) -> Failure {
    match ended {
        Ended::Died(_) => Failure::new(Code::Internal, ended.to_string()),
        Ended::Store(error) => store_failure(error),
    }
}

pub(super) fn store_failure(error: StoreError) -> Failure {
    let code = match error {
        StoreError::TooNew { .. } => Code::StoreTooNew,
        StoreError::Unavailable(_) => Code::StoreUnavailable,
        StoreError::Failed(_) | StoreError::Full => Code::StoreFailed,
    };
    let message = error.to_string();
    // SQLite's words for a file that is damaged, and for one that is none of its own.
    let is_damaged = ["malformed", "not a database"].into_iter().any(|it| message.contains(it));
    let failure = Failure::new(code, message);
    match code == Code::StoreFailed && is_damaged {
        true => failure.with_fix(RESTORE),
        false => failure,
    }
}

const RESTORE: &str = "Restore 'coordinator/' in the state directory from a backup, all of it, then run 'ece-agent start'; 'docs/operations.md' has the procedure.";

fn start_failure(error: StartError) -> Failure {
    let message = error.to_string();
    match error {
        StartError::NoCluster => Failure::new(Code::StoreMissing, message),
        StartError::File(..) => Failure::new(Code::StateNotWritable, message),
        StartError::Store(error) => store_failure(error),
        StartError::TlsKey(file) => {
            Failure::new(Code::CoordinatorKeyDamaged, message).with_fix(format!(
                "Run 'rm {}', then 'ece-agent start': the coordinator makes another, and members trust it by the cluster's CA.",
                file.display()
            ))
        }
        StartError::Seal(error) | StartError::Cluster(ClusterError::Seal(error)) => {
            seal_failure(error)
        }
        StartError::Cluster(_) | StartError::Key(_) => {
            Failure::new(Code::StoreFailed, message).with_fix(RESTORE)
        }
    }
}

pub(super) fn seal_failure(error: SealError) -> Failure {
    let message = error.to_string();
    match error {
        SealError::Io(..) => Failure::new(Code::StateNotWritable, message),
        SealError::Missing(_) => Failure::new(Code::StoreMissing, message),
        SealError::Damaged(_) | SealError::DoesNotOpen => {
            Failure::new(Code::CoordinatorKeyDamaged, message).with_fix(
                "Restore master.key in 'coordinator/' from the backup that the datastore came from, then run 'ece-agent start'.",
            )
        }
    }
}
