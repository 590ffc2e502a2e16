use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    agent::{Identity, as_its_user, not_writable},
    cluster::{app::datastore_full, seal::SealError, secrets::ClusterError},
    config::{HostSettings, StateDir, only_address},
    coordinator::{CoordinatorConfig, Ended, LocalAccess, METRICS_PORT, StartError},
    host::{Machine, SharedMachine},
    model::{Code, CoordinatorAddress, CoordinatorLayout, Failure, HOSTS_PORT},
    preflight::taken_port,
    rt::{Clock, ShutdownTrigger, aside, files},
    server::Listeners,
    store::{SharedStore, SqliteStore, Store as _, StoreError},
};

/// What a coordinator of this host is made from.
pub(super) struct CoordinatorStart {
    pub state: StateDir,
    pub identity: Identity,
    pub machine: SharedMachine,
    pub clock: Clock,
}

/// The coordinator of a cluster whose data is on this machine, with its datastore.
pub(super) struct LocalCoordinator {
    store: Arc<SqliteStore>,
    /// One task, which ends with this.
    task: JoinSet<Result<(), Ended>>,
    stop: ShutdownTrigger,
    access: LocalAccess,
}

/// Why a coordinator ended that was not told to.
pub(super) enum End {
    /// Its datastore is of no use to it, nor to another one in this process.
    Store(Failure),
    Coordinator(Failure),
}

impl LocalCoordinator {
    pub(super) async fn start(with: &CoordinatorStart) -> Result<Self, Failure> {
        let CoordinatorStart { state, identity, machine, clock } = with;
        let listeners =
            Listeners::bind(only_address(identity.host_ip)).map_err(|(address, error)| {
                let (message, fix) = taken_port(address, &error);
                Failure::new(Code::PreflightPort, message).with_fix(fix)
            })?;
        let of = state.clone();
        let store =
            aside(move || cluster_must_be_there(&of).and_then(|()| open_store(&of))).await?;
        let (stop, shutdown) = ShutdownTrigger::new();
        let config = CoordinatorConfig {
            dir: state.coordinator(),
            store: store.clone(),
            listeners,
            runner_id: identity.runner_id.clone(),
            names: certificate_names(identity.host_ip, &identity.settings, &**machine),
            addresses: addresses(identity.host_ip, &identity.settings),
            clock: clock.clone(),
            metrics: metrics_listener(identity).await,
        };
        let coordinator = match config.start(shutdown).await {
            Ok(coordinator) => coordinator,
            Err(error) => {
                store.close().await;
                return Err(start_failure(error));
            }
        };
        let access = coordinator.local_access();
        let mut task = JoinSet::new();
        task.spawn(coordinator.finished());
        Ok(Self { store, task, stop, access })
    }

    pub(super) fn access(&self) -> LocalAccess {
        self.access.clone()
    }

    pub(super) fn store(&self) -> SharedStore {
        self.store.clone()
    }

    /// Returns when it can go on no longer.
    pub(super) async fn ended(&mut self) -> End {
        let ended = tokio::select! {
            biased;
            error = self.store.failed() => return End::Store(store_failure(error)),
            ended = self.task.join_next() => ended,
        };
        End::Coordinator(match ended {
            Some(Ok(Err(Ended::Store(error)))) => return End::Store(store_failure(error)),
            Some(Ok(Err(died @ Ended::Died(_)))) => Failure::new(Code::Internal, died.to_string()),
            Some(Err(error)) => Failure::new(Code::Internal, error.to_string()),
            Some(Ok(Ok(()))) | None => {
                Failure::new(Code::Internal, "the coordinator ended by itself")
            }
        })
    }

    #[cfg(test)]
    pub(super) fn dies(&mut self) {
        self.task.abort_all();
    }

    /// Ends it as it likes to be ended, and its datastore: the next coordinator must not read what
    /// this one is still writing to. Who stops to wait for that may begin again.
    pub(super) async fn stop(&mut self) {
        self.stop.fire();
        if let Some(Ok(Err(error))) = self.task.join_next().await {
            tracing::error!(%error, "the coordinator's end: {error}");
        }
        self.store.close().await;
    }
}

/// Metrics are nice to have: without their port the coordinator does its work all the same.
async fn metrics_listener(identity: &Identity) -> Option<TcpListener> {
    let own = only_address(identity.host_ip).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = identity.settings.metrics_listen;
    let address = address.unwrap_or_else(|| SocketAddr::new(own, METRICS_PORT));
    let bound = TcpListener::bind(address).await;
    bound
        .inspect_err(
            |error| tracing::warn!(%address, %error, "no metrics are served on {address}: {error}"),
        )
        .ok()
}

pub(super) fn open_store(state: &StateDir) -> Result<Arc<SqliteStore>, Failure> {
    let dir = state.coordinator();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| not_writable(&dir, error))?;
    let layout = CoordinatorLayout::of(&dir);
    for file in [layout.master_key(), layout.tls_key(), layout.store()] {
        if let Some(reason) = files::why_exposed(&file) {
            tracing::warn!(%reason, "{} is not the daemon's alone: {reason}", file.display());
        }
    }
    let store = SqliteStore::open(&layout.store()).map_err(store_failure)?;
    if store.lost() > 0 {
        let lost = changes_lost(store.lost());
        tracing::error!(code = lost.code(), "{}; {}", lost.message, lost.fix);
    }
    Ok(Arc::new(store))
}

fn changes_lost(count: u64) -> Failure {
    let message = format!(
        "the datastore lacks the last {count} changes that had been acknowledged: the end of its log is damaged, or an earlier copy was put in its place"
    );
    Failure::new(Code::StoreChangesLost, message)
}

/// What a cluster cannot be without is never made anew where there was one.
pub fn cluster_must_be_there(state: &StateDir) -> Result<(), Failure> {
    let dir = state.coordinator();
    let layout = CoordinatorLayout::of(&dir);
    for file in [layout.store(), layout.master_key()] {
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

pub(super) fn store_failure(error: StoreError) -> Failure {
    let code = match error {
        StoreError::Full => return datastore_full(),
        StoreError::TooNew { .. } => Code::StoreTooNew,
        StoreError::Unavailable(_) => Code::StoreUnavailable,
        StoreError::Failed(_) => Code::StoreFailed,
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

const RESTORE: &str =
    "Restore it from a backup ('ece-agent restore DIRECTORY'), then run 'ece-agent install'.";

fn start_failure(error: StartError) -> Failure {
    let message = error.to_string();
    match error {
        StartError::NoCluster => Failure::new(Code::StoreMissing, message),
        StartError::File(..) => Failure::new(Code::StateNotWritable, message),
        StartError::Store(error) => store_failure(error),
        StartError::TlsKey(file) => {
            Failure::new(Code::CoordinatorKeyDamaged, message).with_fix(format!(
                "Run '{}', then 'ece-agent start': the coordinator makes another, and members trust it by the cluster's CA.",
                as_its_user("rm", &file)
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
                "Restore master.key from the backup that the datastore came from ('ece-agent restore DIRECTORY' restores both), then run 'ece-agent install'.",
            )
        }
    }
}
