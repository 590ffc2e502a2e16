use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinSet};
use uuid::Uuid;

use super::{metrics_page::metrics_router, restored::tell_if_restored};
use crate::{
    api::{api_router, redirect_router},
    cluster::{
        app::App,
        change::Origin,
        counters::count_samples,
        earlier_records::bring_over,
        liveness::Liveness,
        operations::{
            api_keys::forget_keys_that_are_over,
            audit::{MOST, forget_old_audit},
            comments::forget_comments_on_nothing,
            sessions::open_session,
            users::set_password,
            web_sessions::forget_sessions_that_are_over,
        },
        owners::Owners,
        passwords::Passwords,
        records::{Actor, ClusterRecord, decode},
        registry::Registry,
        seal::{MasterKey, SealError},
        secrets::{Cluster, ClusterError},
        sessions::{Sessions, Way},
        sign_in::check_password,
    },
    host::process::most_open_files,
    hosts::hosts_router,
    limits::{pace::Pace, source::Source},
    model::{CoordinatorAddress, CoordinatorLayout, RunnerId, Secret},
    rt::{Clock, Shutdown, files},
    server::{API_PORT, Audience, Bounds, Comers, Door, Listeners, Port, serve_port},
    store::{SharedStore, StoreError},
    tls::{CoordinatorIdentity, KeyError, PrivateKey, api_server_config, hosts_server_config},
    ui::ui_router,
};

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const RENEWAL_CHECK: Duration = Duration::from_secs(600);
const FORGET_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const MAX_KEY_FILE: u64 = 64 * 1024;

/// What a coordinator is made from.
pub struct CoordinatorConfig {
    /// Its own directory: the master key and its TLS key are in it.
    pub dir: PathBuf,
    pub store: SharedStore,
    pub listeners: Listeners,
    pub runner_id: RunnerId,
    /// Names and addresses for its certificate.
    pub names: Vec<String>,
    /// Where hosts reach it, the preferred way first. Never empty.
    pub addresses: Vec<CoordinatorAddress>,
    pub clock: Clock,
    /// For Prometheus; `None` serves no metrics.
    pub metrics: Option<TcpListener>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the datastore has no cluster in it")]
    NoCluster,
    #[error("{0} is damaged")]
    TlsKey(PathBuf),
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a coordinator ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("a task of the coordinator died: {0}")]
    Died(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A coordinator that serves.
pub struct Coordinator {
    tasks: JoinSet<Result<(), StoreError>>,
    shutdown: Shutdown,
    liveness: Arc<Liveness>,
    app: Arc<App>,
}

/// What the coordinator's own machine may do without the API.
#[derive(Clone)]
pub struct LocalAccess(Arc<App>);

impl LocalAccess {
    /// Gives a user of the API another password; why not, if it does not work.
    pub async fn set_password(&self, user: &str, password: &Secret) -> Result<(), String> {
        let origin = Origin {
            actor: Actor::Local,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: Uuid::new_v4(),
            standing: None,
        };
        set_password(&self.0, &origin, user, password).await.map_err(|error| error.to_string())
    }

    /// A bearer token for whoever has this password. No stranger can come from where they come from,
    /// and so keep them waiting.
    pub async fn open_session(&self, user: &str, password: &Secret) -> Result<Secret, String> {
        let from = Source::of(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let user = check_password(&self.0, user, password, from).await;
        let user = user.map_err(|error| error.to_string())?;
        open_session(&self.0, &user, Way::Socket).ok_or_else(|| "the user was shut out".into())
    }
}

impl CoordinatorConfig {
    /// Starts serving. When this returns, hosts and users can connect.
    pub async fn start(self, shutdown: Shutdown) -> Result<Coordinator, StartError> {
        let files = CoordinatorLayout::of(&self.dir);
        let master = MasterKey::load(&files.master_key())?;
        let record = self.store.get(&ClusterRecord::path()).await?.ok_or(StartError::NoCluster)?;
        let (cluster, authority) = Cluster::open(&decode(&record)?, &master)?;
        let key = load_or_create_key(&files.tls_key())?;
        let identity = Arc::new(CoordinatorIdentity::new(
            authority,
            key,
            self.names.clone(),
            self.clock.now(),
        )?);

        bring_over(&*self.store).await?;
        tell_if_restored(&self.dir, &*self.store, self.clock.now()).await;
        let (watch, sessions) = (self.store.watch(), Arc::<Sessions>::default());
        let liveness = Arc::new(Liveness::new(shutdown.clone()));
        let transitions = liveness.transitions();
        let owners =
            Owners::load(self.store.clone(), self.runner_id.clone(), &liveness, self.clock.clone())
                .await?;
        let registry =
            Arc::new(Registry::load(&self.store, liveness.clone(), sessions.clone()).await?);
        let own_address = self.addresses.first().cloned().ok_or(StartError::NoCluster)?;
        let pace = Arc::new(Pace::default());
        let app = Arc::new(App {
            store: self.store.clone(),
            registry: registry.clone(),
            liveness: liveness.clone(),
            passwords: Passwords::default(),
            sessions,
            own_changes: Default::default(),
            queues: Default::default(),
            lists: Default::default(),
            pace: pace.clone(),
            audit_growth: Default::default(),
            host_allowances: Default::default(),
            joins: Default::default(),
            cluster,
            master,
            clock: self.clock.clone(),
            shutdown: shutdown.clone(),
            runner_id: self.runner_id,
            key: identity.key_fingerprint(),
            addresses: self.addresses,
        });

        let mut tasks = JoinSet::new();
        tasks.spawn(watch_pace(pace.clone(), shutdown.clone()));
        let store = self.store.clone();
        let known = registry.clone();
        let is_host = move |key: &_| known.view().key(key).is_some_and(|it| it.is_of_a_host());
        let comers = Arc::new(Comers { pace: pace.clone(), is_host: Box::new(is_host) });
        tasks.spawn(async move { registry.follow(&store, watch).await });
        tasks.spawn(owners.follow(transitions));
        tasks.spawn(sweep(app.clone(), shutdown.clone()));
        tasks.spawn(forget(app.clone(), shutdown.clone()));
        tasks.spawn(renew(identity.clone(), self.clock, shutdown.clone()));
        let metrics = self
            .metrics
            .map(|listener| (listener, None, metrics_router(app.clone()), Audience::Anybody));
        let ports = [
            (
                self.listeners.api,
                Some(Arc::new(api_server_config(identity.clone())?)),
                ui_router(app.clone(), api_router(app.clone())),
                Audience::Users,
            ),
            (
                self.listeners.hosts,
                Some(Arc::new(hosts_server_config(identity)?)),
                hosts_router(app.clone()),
                Audience::Hosts,
            ),
            (
                self.listeners.redirect,
                None,
                redirect_router(own_address, API_PORT),
                Audience::Anybody,
            ),
        ];
        let open_files = most_open_files();
        for (listener, tls, service, audience) in ports.into_iter().chain(metrics) {
            let hosts = matches!(audience, Audience::Hosts).then(|| comers.clone());
            let door = Arc::new(Door::new(Bounds::of(audience, open_files)));
            let port = Port { listener, tls, service, door, hosts };
            let shutdown = shutdown.clone();
            tasks.spawn(async move {
                serve_port(port, shutdown).await;
                Ok(())
            });
        }
        Ok(Coordinator { tasks, shutdown, liveness, app })
    }
}

impl Coordinator {
    pub fn local_access(&self) -> LocalAccess {
        LocalAccess(self.app.clone())
    }

    /// Waits for the end. `Ok` only after the shutdown that was asked for.
    pub async fn finished(mut self) -> Result<(), Ended> {
        tokio::select! {
            () = self.shutdown.wait() => {}
            ended = self.tasks.join_next() => {
                if !self.shutdown.has_fired() {
                    self.liveness.stop_reporting();
                    // The next one needs the ports.
                    self.tasks.shutdown().await;
                    return Err(why_it_ended(ended));
                }
            }
        }
        // Hosts stay connected as far as the next coordinator is concerned.
        self.liveness.stop_reporting();
        const LONGEST: Duration = Duration::from_secs(6);
        let _cut_off_after_that = tokio::time::timeout(LONGEST, async {
            // The registry's task ends with the store only.
            while self.tasks.len() > 1 && self.tasks.join_next().await.is_some() {}
        })
        .await;
        self.tasks.shutdown().await;
        Ok(())
    }
}

fn why_it_ended(ended: Option<Result<Result<(), StoreError>, tokio::task::JoinError>>) -> Ended {
    match ended {
        Some(Ok(Err(error))) => error.into(),
        Some(Err(error)) => Ended::Died(error.to_string()),
        Some(Ok(Ok(()))) | None => Ended::Died("it ended by itself".into()),
    }
}

fn load_or_create_key(file: &std::path::Path) -> Result<PrivateKey, StartError> {
    let io_error = |error| StartError::File(file.to_owned(), error);
    match files::read_kept(file, MAX_KEY_FILE).map_err(io_error)? {
        Some(pem) => {
            let pem = zeroize::Zeroizing::new(pem);
            let damaged = || StartError::TlsKey(file.to_owned());
            let pem = std::str::from_utf8(&pem).map_err(|_| damaged())?;
            PrivateKey::from_pem(pem).map_err(|_| damaged())
        }
        None => {
            let key = PrivateKey::generate()?;
            files::write_private(file, key.to_pem().expose().as_bytes()).map_err(io_error)?;
            Ok(key)
        }
    }
}

async fn sweep(app: Arc<App>, shutdown: Shutdown) -> Result<(), StoreError> {
    // Hosts come back over the time that they were told before, by what handshakes cost then; those
    // that are turned away once take longer. It is the longest that was thought of here.
    let mut return_window = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_INTERVAL) => {
                return_window = return_window.max(app.pace.return_window(app.liveness.count()));
                app.liveness.sweep(return_window);
                count_samples();
            }
            () = shutdown.wait() => return Ok(()),
        }
    }
}

async fn watch_pace(pace: Arc<Pace>, shutdown: Shutdown) -> Result<(), StoreError> {
    pace.watch(shutdown).await;
    Ok(())
}

/// Once a day, and after much was written, what is too old or too much is forgotten.
async fn forget(app: Arc<App>, shutdown: Shutdown) -> Result<(), StoreError> {
    loop {
        forget_old_audit(&app.store, app.clock.now(), MOST).await?;
        forget_keys_that_are_over(&app.store, app.clock.now()).await?;
        forget_sessions_that_are_over(&app.store, app.clock.now()).await?;
        forget_comments_on_nothing(&app.store).await?;
        tokio::select! {
            () = tokio::time::sleep(FORGET_INTERVAL) => {}
            () = app.audit_growth.much() => {}
            () = shutdown.wait() => return Ok(()),
        }
    }
}

async fn renew(
    identity: Arc<CoordinatorIdentity>,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), StoreError> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEWAL_CHECK) => {}
            () = shutdown.wait() => return Ok(()),
        }
        match identity.renew_if_due(clock.now()) {
            Ok(true) => tracing::info!("renewed the coordinator's certificate"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the coordinator's certificate was not renewed: {error}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
