use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::{
    agent::{Identity, Supervisor},
    cluster::{
        bootstrap::{FirstHost, bootstrap},
        seal::MasterKey,
        testing::{START, first_host},
    },
    config::{HostSettings, StateDir},
    daemon::datastore::Director,
    host::FakeMachine,
    model::{HOSTS_PORT, RoleSet},
    rt::{Clock, Timestamp},
    store::{CommitError, SqliteStore},
    wire::{desired::DesiredState, hosts::RoleHealth},
};

const SOON: Duration = Duration::from_secs(20);

/// A machine on a loopback address of its own, which may have a cluster's datastore.
struct Machine {
    dir: TempDir,
    address: IpAddr,
}

impl Machine {
    fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let address = Ipv4Addr::new(127, 251, 251, NEXT.fetch_add(1, Ordering::Relaxed)).into();
        Self { dir: tempfile::tempdir().expect("a directory"), address }
    }

    async fn with_datastore(self) -> Self {
        let dir = self.state().coordinator();
        std::fs::create_dir(&dir).expect("made");
        let master = MasterKey::load_or_create(&dir.join("master.key")).expect("a key");
        let store = SqliteStore::open(&dir.join("store.db")).expect("a store");
        let first = FirstHost { dir, ..first_host(&self.dir) };
        let now = Timestamp::from_unix_millis(START);
        bootstrap(&store, &master, &first, now).await.expect("a cluster");
        self
    }

    fn state(&self) -> StateDir {
        StateDir::new(self.dir.path().to_owned())
    }

    fn role(&self, is_first_host: bool, at_start: bool) -> (CoordinatorRole, CoordinatorHandle) {
        let settings = HostSettings {
            host_ip: Some(self.address),
            zone: "zone".parse().expect("a zone"),
            capacity_mb: None,
            storage_path: self.dir.path().join("storage"),
            allocator_tags: Default::default(),
            proxy_tags: Default::default(),
            external_hostnames: Vec::new(),
            metrics_listen: None,
        };
        let identity = Identity::new(
            "10.0.0.1".parse().expect("an id"),
            "cluster".into(),
            self.address,
            RoleSet::all(),
            is_first_host,
            settings,
            Vec::new(),
            Vec::new(),
            Vec::new(),
            String::new(),
        );
        let start = CoordinatorStart {
            state: self.state(),
            identity,
            machine: Arc::new(FakeMachine::default()),
            clock: Clock::from_fn(|| Timestamp::from_unix_millis(START)),
        };
        let datastore = Datastore::of(&start.state, &start.identity);
        CoordinatorRole::new(start, datastore, at_start)
    }

    fn hosts_port(&self) -> SocketAddr {
        SocketAddr::new(self.address, HOSTS_PORT)
    }

    fn serves(&self) -> bool {
        TcpStream::connect(self.hosts_port()).is_ok()
    }

    async fn is_silent(&self) {
        let silent = async {
            while self.serves() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, silent).await.expect("nothing serves any more");
    }
}

fn only_coordinator() -> DesiredState {
    DesiredState::of(&"coordinator".parse().expect("a role"))
}

/// Waits until the coordinator is doing so.
async fn until(supervisor: &mut Supervisor, is: impl Fn(&RoleHealth) -> bool) {
    let waited = timeout(SOON, async {
        while !supervisor.health().get(&Role::Coordinator).is_some_and(&is) {
            supervisor.changed().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{:?}", supervisor.health()));
}

#[tokio::test]
async fn it_can_be_given_and_taken_while_the_host_runs() {
    let machine = Machine::new().with_datastore().await;
    let (role, handle) = machine.role(true, false);
    let mut supervisor = Supervisor::new([Box::new(role) as Box<dyn RoleService>]);
    let administration = handle.administration();
    let told = || administration.set_password("nobody", SecretText::default());
    assert!(told().await.expect_err("none runs").contains("none does here"));
    for _ in 0..2 {
        assert!(!machine.serves());
        supervisor.apply(&only_coordinator());
        until(&mut supervisor, |health| health.healthy).await;
        assert!(machine.serves());
        assert!(!told().await.expect_err("no such user").contains("none does here"));
        supervisor.apply(&DesiredState::default());
        machine.is_silent().await;
    }
    supervisor.apply(&only_coordinator());
    until(&mut supervisor, |health| health.healthy).await;
    supervisor.end().await;
    assert!(!machine.serves(), "it is waited for");
}

#[tokio::test]
async fn one_that_dies_is_told_of_at_once_and_begun_again() {
    let machine = Machine::new().with_datastore().await;
    let (mut role, mut handle) = machine.role(true, true);
    role.apply(&RolePayload::default()).await.expect("it runs");
    handle.begun().await.expect("it has begun");
    for _ in 0..2 {
        role.health().await.expect("it is healthy");
        role.running.as_mut().expect("it runs").dies();
        timeout(SOON, role.ended()).await.expect("it is noticed");
        machine.is_silent().await;
        assert!(role.health().await.expect_err("it died").is(Code::Internal));
        let ended = timeout(Duration::ZERO, role.ended()).await;
        assert!(ended.is_err(), "what does not run does not end");
        role.apply(&RolePayload::default()).await.expect("another one");
        assert!(machine.serves());
    }
    assert!(timeout(Duration::ZERO, handle.over()).await.is_err(), "the daemon goes on");
    role.stop().await;
}

#[tokio::test]
async fn another_one_begins_when_nobody_writes_for_the_last_one_any_more() {
    let machine = Machine::new().with_datastore().await;
    let (mut role, _handle) = machine.role(true, true);
    for _ in 0..2 {
        role.apply(&RolePayload::default()).await.expect("it runs");
        let running = role.running.as_mut().expect("it runs");
        let store = running.store();
        running.dies();
        timeout(SOON, role.ended()).await.expect("it is noticed");
        // Who waits for its end may turn to something else.
        let _cut_off = timeout(Duration::ZERO, role.stop()).await;
        role.apply(&RolePayload::default()).await.expect("another one");
        let late = store.commit(Vec::new()).await;
        assert!(matches!(late, Err(CommitError::Store(_))), "{late:?}");
        role.health().await.expect("it is healthy");
        role.stop().await;
    }
}

#[tokio::test]
async fn without_a_datastore_it_waits_for_one_and_ends_nothing() {
    let machine = Machine::new();
    let (mut role, mut handle) = machine.role(false, true);
    let mut director = Director(role.datastore.clone());
    for _ in 0..2 {
        let waits = role.apply(&RolePayload::default()).await.expect_err("it waits");
        assert!(waits.is(Code::RolesNoDatastore), "{waits}");
        let waits = director.apply(&RolePayload::default()).await.expect_err("it waits");
        assert!(waits.is(Code::RolesNoDatastore), "{waits}");
    }
    handle.begun().await.expect("the daemon begins without");
    assert!(timeout(Duration::ZERO, handle.over()).await.is_err());
    assert!(!machine.state().coordinator().exists(), "nothing is made");
    let machine = machine.with_datastore().await;
    role.apply(&RolePayload::default()).await.expect("it goes on");
    director.apply(&RolePayload::default()).await.expect("it goes on");
    director.health().await.expect("healthy");
    assert!(machine.serves());
    role.stop().await;
}

#[tokio::test]
async fn what_a_daemon_begins_with_ends_it_when_it_cannot_begin_and_later_is_tried_again() {
    let machine = Machine::new().with_datastore().await;
    let taken = TcpListener::bind(machine.hosts_port()).expect("free");
    let (role, mut handle) = machine.role(true, true);
    let mut supervisor = Supervisor::new([Box::new(role) as Box<dyn RoleService>]);
    supervisor.apply(&only_coordinator());
    let failure = timeout(SOON, handle.begun()).await.expect("in time").expect_err("taken");
    assert!(failure.is(Code::PreflightPort), "{failure}");
    assert_eq!(handle.over().await, failure);
    drop(supervisor);

    let (role, mut handle) = machine.role(true, false);
    let mut supervisor = Supervisor::new([Box::new(role) as Box<dyn RoleService>]);
    handle.begun().await.expect("it begins without");
    supervisor.apply(&only_coordinator());
    until(&mut supervisor, |health| health.code.as_deref() == Some("preflight.port_in_use")).await;
    drop(taken);
    until(&mut supervisor, |health| health.healthy).await;
    assert!(timeout(Duration::ZERO, handle.over()).await.is_err());
    supervisor.end().await;
}
