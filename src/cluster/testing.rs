//! A coordinator without sockets, with a clock that a test sets.

mod interleaved;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use self::interleaved::Interleaved;
use super::{
    app::App,
    bootstrap::{FirstHost, bootstrap},
    change::Origin,
    liveness::{Liveness, Source},
    operations::{
        Caller,
        tokens::{NewToken, TokenOptions, create_token},
    },
    passwords::Passwords,
    records::{Actor, ClusterRecord, decode},
    registry::Registry,
    seal::MasterKey,
    secrets::Cluster,
    sessions::Sessions,
};
use crate::{
    limits::pace::Pace,
    model::{CapacitySource, Fingerprint, RoleSet, SessionId},
    rt::{Clock, ShutdownTrigger, Timestamp},
    store::{MemoryStore, SharedStore, StoreError},
    wire::hosts::{EnrolRequest, Facts, PROTOCOL, SecretText},
};

pub const START: i64 = 1_800_000_000_000;

pub struct TestCluster {
    pub app: Arc<App>,
    now: Arc<AtomicI64>,
    _follower: JoinHandle<Result<(), StoreError>>,
    _dir: TempDir,
}

pub fn first_host(dir: &TempDir) -> FirstHost {
    FirstHost {
        runner_id: "10.0.0.1".parse().expect("an id"),
        runner_id_given: false,
        key: Fingerprint::from_digest([1; 32]),
        roles: RoleSet::all(),
        facts: facts("10.0.0.1"),
        addresses: vec!["10.0.0.1".parse().expect("an address")],
        dir: dir.path().to_owned(),
        secrets_file: dir.path().join("secrets/bootstrap-secrets.json"),
        plan_key: None,
    }
}

pub fn facts(host_ip: &str) -> Facts {
    Facts {
        host_ip: host_ip.parse().expect("an address"),
        hostname: "host".into(),
        cpus: 4,
        memory_bytes: 14_586 << 20,
        memory_source: CapacitySource::Physical,
        capacity_flag_mb: None,
        storage_bytes: 1 << 40,
        zone: "zone-1".parse().expect("a zone"),
        allocator_tags: Default::default(),
        proxy_tags: Default::default(),
        version: "0.1.0".into(),
    }
}

/// From where a host polls that has just begun a session.
pub fn polls_of(caller: Caller) -> Source {
    Source {
        session: SessionId(Uuid::new_v4()),
        connection: 1,
        key: caller.key,
        address: caller.address,
        boot_id: None,
    }
}

impl TestCluster {
    pub async fn start() -> Self {
        Self::start_on(Arc::new(MemoryStore::new())).await
    }

    pub async fn start_on(store: SharedStore) -> Self {
        Self::start_with(store, Passwords::default()).await
    }

    pub async fn start_with(store: SharedStore, passwords: Passwords) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let master = MasterKey::load_or_create(&dir.path().join("master.key")).expect("a key");
        let now = Arc::new(AtomicI64::new(START));
        let at = now.clone();
        let clock = Clock::from_fn(move || Timestamp::from_unix_millis(at.load(Ordering::SeqCst)));
        bootstrap(&*store, &master, &first_host(&dir), clock.now()).await.expect("a cluster");
        let record = store.get(&ClusterRecord::path()).await.expect("read").expect("there");
        let (cluster, _) =
            Cluster::open(&decode(&record).expect("readable"), &master).expect("opened");
        let (_, shutdown) = ShutdownTrigger::new();
        let liveness = Arc::new(Liveness::new(shutdown.clone()));
        let (watch, sessions) = (store.watch(), Arc::<Sessions>::default());
        let registry = Arc::new(
            Registry::load(&store, liveness.clone(), sessions.clone()).await.expect("loaded"),
        );
        let followed = (registry.clone(), store.clone());
        let follower = tokio::spawn(async move { followed.0.follow(&followed.1, watch).await });
        let app = App {
            store,
            registry,
            liveness,
            passwords,
            sessions,
            own_changes: Default::default(),
            queues: Default::default(),
            lists: Default::default(),
            pace: Arc::new(Pace::default()),
            audit_growth: Default::default(),
            host_allowances: Default::default(),
            joins: Default::default(),
            cluster,
            master,
            clock,
            shutdown,
            runner_id: "10.0.0.1".parse().expect("an id"),
            key: Fingerprint::from_digest([2; 32]),
            addresses: vec!["10.0.0.1".parse().expect("an address")],
        };
        Self { app: Arc::new(app), now, _follower: follower, _dir: dir }
    }

    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    pub fn origin(&self) -> Origin {
        Origin {
            actor: Actor::User("admin".into()),
            address: IpAddr::from([127, 0, 0, 1]),
            request_id: Uuid::new_v4(),
            standing: None,
        }
    }

    pub async fn token(
        &self,
        roles: &str,
        validity: Option<Duration>,
        max_uses: Option<u32>,
    ) -> NewToken {
        let roles = roles.parse().expect("roles");
        let options =
            TokenOptions { roles, validity, max_uses, description: None, allow_replace: false };
        create_token(&self.app, &self.origin(), options).await.expect("a token")
    }

    /// The host with this number, which has a key and an address of its own.
    pub fn caller(&self, number: u8) -> Caller {
        Caller {
            key: Fingerprint::from_digest([number; 32]),
            address: IpAddr::from([10, 0, 0, number]),
            request_id: Uuid::new_v4(),
        }
    }

    pub fn request(&self, number: u8, roles: &str, token: &NewToken) -> EnrolRequest {
        let host_ip = format!("10.0.0.{number}");
        let facts = facts(&host_ip);
        EnrolRequest {
            protocol: PROTOCOL,
            runner_id: host_ip.parse().expect("an id"),
            roles: roles.parse().expect("roles"),
            token: SecretText(token.text.clone()),
            facts_hash: facts.hash(),
            replace: false,
            overridden: Vec::new(),
            facts,
        }
    }
}

/// What comes of `work`, unless whoever asked for it goes away after so many of its steps.
pub async fn given_up_after<T>(steps: usize, work: impl Future<Output = T>) -> Option<T> {
    let left = async {
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = left => None,
    }
}
