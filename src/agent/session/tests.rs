mod coordinators;
mod roles;

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    memory::{ASSUMED_HOLD, FIRST_RETRY, LONGEST_RETRY},
    *,
};
use crate::{
    agent::{RoleService, status::Status},
    client::DialError,
    config::HostSettings,
    host::FakeMachine,
    model::{Role, RoleSet, RunnerId},
    rt::{ShutdownTrigger, Timestamp},
    wire::{
        desired::RolePayload,
        hosts::{EnrolReply, EnrolRequest, KnownCoordinator},
    },
};

/// What the host's clock says, in seconds.
const NOW: i64 = 1_800_000_000;

/// Coordinators that keep to the protocol, and can be told to be away.
struct FakeCoordinator {
    known: Mutex<Vec<KnownCoordinator>>,
    /// Where nobody answers, and where the host is not known, or what else it is told there.
    gone_at: Mutex<Vec<CoordinatorAddress>>,
    unknown_at: Mutex<Vec<CoordinatorAddress>>,
    refusal: Mutex<Code>,
    /// Whose the host's key is.
    key_of: Mutex<Option<RunnerId>>,
    seen: mpsc::UnboundedSender<SessionRequest>,
    facts_hash: Mutex<String>,
    away_for: AtomicU64,
    return_window_ms: AtomicU64,
    now_ms: AtomicI64,
}

fn payload() -> RolePayload {
    RolePayload { version: "7".into(), content: serde_json::json!({ "routes": [] }) }
}

/// One of them.
struct At(CoordinatorAddress, Arc<FakeCoordinator>);

#[async_trait::async_trait]
impl CoordinatorClient for At {
    fn address(&self) -> &CoordinatorAddress {
        &self.0
    }

    async fn enrol(&self, _request: &EnrolRequest) -> Result<EnrolReply, ClientError> {
        unreachable!("a member does not enrol")
    }

    async fn poll(
        &self,
        request: &SessionRequest,
        _timeout: Duration,
    ) -> Result<SessionReply, ClientError> {
        let Self(address, all) = self;
        all.poll(address, request).await
    }
}

fn has(list: &Mutex<Vec<CoordinatorAddress>>, address: &CoordinatorAddress) -> bool {
    list.lock().expect("no panic while held").contains(address)
}

impl FakeCoordinator {
    async fn poll(
        &self,
        address: &CoordinatorAddress,
        request: &SessionRequest,
    ) -> Result<SessionReply, ClientError> {
        if has(&self.gone_at, address) {
            return Err(ClientError::Busy(address.clone()));
        }
        if has(&self.unknown_at, address) {
            let code = self.refusal.lock().expect("no panic while held").name().to_owned();
            let message = "no host has this key".into();
            return Err(ClientError::Refused { status: 403, code, message, fix: None });
        }
        let _ = self.seen.send(request.clone());
        let away = self.away_for.load(Ordering::SeqCst);
        if away > 0 {
            self.away_for.store(away - 1, Ordering::SeqCst);
            return Err(DialError::ConnectionRefused(address.clone()).into());
        }
        if request.facts.is_some() {
            *self.facts_hash.lock().expect("no panic while held") = request.facts_hash.clone();
        }
        let known = *self.facts_hash.lock().expect("no panic while held") == request.facts_hash;
        if known && request.applied_revision == 3 {
            sleep(Duration::from_secs(4)).await;
        }
        Ok(SessionReply {
            protocol: PROTOCOL,
            runner_id: self.key_of.lock().expect("no panic while held").clone(),
            desired: DesiredState {
                revision: 3,
                roles: vec!["proxy".into(), "unheard-of".into()],
                payloads: [("proxy".into(), payload())].into(),
                maintenance: false,
            },
            hold_ms: 4000,
            return_window_ms: self.return_window_ms.load(Ordering::SeqCst),
            send_facts: !known,
            coordinators: self.known.lock().expect("no panic while held").clone(),
            notices: Vec::new(),
            now_ms: Some(self.now_ms.load(Ordering::SeqCst)),
        })
    }
}

struct Running {
    coordinator: Arc<FakeCoordinator>,
    machine: Arc<FakeMachine>,
    requests: mpsc::UnboundedReceiver<SessionRequest>,
    board: StatusBoard,
    stop: ShutdownTrigger,
    task: tokio::task::JoinHandle<()>,
    dir: tempfile::TempDir,
}

impl Running {
    async fn next(&mut self) -> SessionRequest {
        self.requests.recv().await.expect("the session polls")
    }
}

fn identity(dir: &Path) -> Identity {
    let settings = HostSettings {
        host_ip: Some([10, 0, 0, 7].into()),
        zone: "zone".parse().expect("a zone"),
        capacity_mb: None,
        storage_path: dir.join("storage"),
        allocator_tags: Default::default(),
        proxy_tags: Default::default(),
        external_hostnames: Vec::new(),
        metrics_listen: None,
    };
    Identity::new(
        "10.0.0.7".parse().expect("an id"),
        "cluster".into(),
        [10, 0, 0, 7].into(),
        RoleSet::default(),
        false,
        settings,
        vec!["10.0.0.1".parse().expect("an address")],
        Vec::new(),
        Vec::new(),
        String::new(),
    )
}

fn start(away_for: u64) -> Running {
    start_with(away_for, false)
}

fn start_with(away_for: u64, unreadable: bool) -> Running {
    start_running(away_for, unreadable, [crate::agent::proxy_service()], DesiredState::default())
}

fn start_running(
    away_for: u64,
    unreadable: bool,
    services: impl IntoIterator<Item = Box<dyn RoleService>>,
    desired: DesiredState,
) -> Running {
    let dir = tempfile::tempdir().expect("a directory");
    let identity = identity(dir.path());
    let (seen, requests) = mpsc::unbounded_channel();
    let coordinator = Arc::new(FakeCoordinator {
        known: Mutex::default(),
        gone_at: Mutex::default(),
        unknown_at: Mutex::default(),
        refusal: Mutex::new(Code::HostUnknown),
        key_of: Mutex::default(),
        seen,
        facts_hash: Mutex::default(),
        away_for: AtomicU64::new(away_for),
        return_window_ms: AtomicU64::default(),
        now_ms: AtomicI64::new(NOW * 1000),
    });
    let machine = Arc::new(FakeMachine {
        memory_bytes: AtomicU64::new(8 << 30),
        unreadable: AtomicBool::new(unreadable),
        ..Default::default()
    });
    let id = SessionId(Uuid::new_v4());
    let board = StatusBoard::new(Status::at_start(&identity, id, Timestamp::from_unix_seconds(0)));
    let session = Session {
        id,
        identity,
        state: StateDir::new(dir.path().to_owned()),
        dial: {
            let coordinator = coordinator.clone();
            Box::new(move |address| Box::new(At(address, coordinator.clone())))
        },
        verifier: Arc::new(PinVerifier::new([], [])),
        machine: machine.clone(),
        supervisor: Supervisor::new(services),
        desired,
        board: board.clone(),
        clock: Clock::from_fn(|| Timestamp::from_unix_seconds(NOW)),
    };
    let (stop, shutdown) = ShutdownTrigger::new();
    let task = tokio::spawn(session.run(shutdown));
    Running { coordinator, machine, requests, board, stop, task, dir }
}

#[tokio::test(start_paused = true)]
async fn facts_travel_when_asked_for_and_again_when_they_change() {
    let mut running = start(0);
    assert!(running.next().await.facts.is_none(), "only a hash, before anybody asked");
    let facts = running.next().await.facts.expect("the coordinator asked");
    assert_eq!(facts.memory_bytes, 8 << 30);
    let settled = running.next().await;
    assert!(settled.facts.is_none());
    running.machine.memory_bytes.store(16 << 30, Ordering::SeqCst);
    let started = Instant::now();
    let changed = loop {
        if let Some(facts) = running.next().await.facts {
            break facts;
        }
    };
    assert_eq!(changed.memory_bytes, 16 << 30);
    assert!(started.elapsed() <= FACTS_INTERVAL + ASSUMED_HOLD * 2);
}

#[tokio::test(start_paused = true)]
async fn facts_that_cannot_be_read_stay_as_they_were_and_the_host_stays_connected() {
    let mut running = start(0);
    while running.next().await.applied_revision != 3 {}
    let before = running.next().await.facts_hash;
    running.machine.memory_bytes.store(16 << 30, Ordering::SeqCst);
    running.machine.unreadable.store(true, Ordering::SeqCst);
    let warned = |status: &Status| status.warnings.iter().any(|it| it.code == "facts.unreadable");
    running.board.follow().wait_for(warned).await.expect("it runs");
    while let Ok(request) = running.requests.try_recv() {
        assert_eq!(request.facts_hash, before);
    }
    assert!(running.board.read().connected);
    running.machine.unreadable.store(false, Ordering::SeqCst);
    running.board.follow().wait_for(|status| !warned(status)).await.expect("it runs");
    while running.next().await.facts_hash == before {}
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_cannot_be_read_at_its_start_is_connected_all_the_same() {
    let mut running = start_with(0, true);
    while running.next().await.applied_revision != 3 {}
    let status = running.board.read();
    assert!(status.connected);
    assert_eq!(status.warnings[0].code, "facts.unreadable");
}

#[tokio::test(start_paused = true)]
async fn what_is_desired_runs_and_is_reported_as_applied_by_its_revision_alone() {
    let mut running = start(0);
    assert_eq!(running.next().await.applied_revision, 0);
    let request = running.next().await;
    assert_eq!(request.applied_revision, 3);
    let proxy = &request.health[&Role::Proxy];
    assert!(proxy.healthy);
    assert_eq!(proxy.applied, None);
    let applied = |status: &Status| status.roles[&Role::Proxy].applied == Some(payload().version);
    assert!(applied(&running.board.read()), "its own status has it");
    assert_eq!(request.health.len(), 1, "a role that nobody here knows is left alone");
    assert!(running.board.read().connected);
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_with_pauses_that_grow_to_a_limit() {
    let mut running = start(12);
    let mut pauses = Vec::new();
    let mut last = Instant::now();
    for _ in 0..12 {
        running.next().await;
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    assert!(!running.board.read().connected);
    assert!(pauses[1] <= FIRST_RETRY, "{pauses:?}");
    assert!(pauses[11] >= LONGEST_RETRY / 4 && pauses[11] <= LONGEST_RETRY, "{pauses:?}");
    running.next().await;
    running.next().await;
    assert!(running.board.read().connected);
    assert!(running.board.read().problem.is_none());
    assert_eq!(running.coordinator.away_for.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_not_the_coordinators_is_warned_of_for_as_long_as_it_is_not() {
    let running = start(0);
    running.connected_to("10.0.0.1").await;
    assert_eq!(running.board.read().warnings, []);
    let warned =
        |status: &Status| status.warnings.iter().any(|it| it.code == "preflight.clock_skew");
    running.coordinator.now_ms.store((NOW - 3 * 86_400) * 1000, Ordering::SeqCst);
    let soon = ASSUMED_HOLD * 4;
    let mut followed = running.board.follow();
    timeout(soon, followed.wait_for(warned)).await.expect("in time").expect("it runs");
    let told = running.board.read();
    assert!(told.connected && told.warnings[0].message.contains("3 days ahead"), "{told:?}");
    running.coordinator.now_ms.store(NOW * 1000, Ordering::SeqCst);
    let right_again = followed.wait_for(|status| !warned(status));
    timeout(soon, right_again).await.expect("in time").expect("it runs");
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_key_is_that_of_another_does_not_take_its_place() {
    let mut running = start(0);
    running.board.follow().wait_for(|status| !status.roles.is_empty()).await.expect("it runs");
    let key_of = |name: &str| {
        let runner = name.parse().expect("an id");
        *running.coordinator.key_of.lock().expect("free") = Some(runner);
    };
    key_of("another");
    running.board.follow().wait_for(|status| status.state == AgentState::Refused).await.expect("");
    let status = running.board.read();
    assert!(status.roles.is_empty());
    let problem = status.problem.expect("it is told");
    assert_eq!(problem.code, "identity.of_another_host");
    assert!(problem.message.contains("another"), "{}", problem.message);
    // Its own key is put back.
    key_of("10.0.0.7");
    while !running.next().await.closing {}
    running.board.follow().wait_for(|status| status.connected).await.expect("it comes back");
}

#[tokio::test(start_paused = true)]
async fn when_it_stops_it_says_goodbye() {
    let mut running = start(0);
    while running.next().await.applied_revision != 3 {}
    running.stop.fire();
    loop {
        if running.next().await.closing {
            break;
        }
    }
    running.task.await.expect("no panic");
    assert_eq!(running.board.read().state, AgentState::Stopping);
}

#[tokio::test(start_paused = true)]
async fn a_large_fleet_spreads_all_of_its_tries_to_come_back_and_not_only_the_first() {
    let mut running = start(0);
    running.coordinator.return_window_ms.store(60_000, Ordering::SeqCst);
    running.board.follow().wait_for(|status| status.connected).await.expect("it runs");
    running.coordinator.away_for.store(u64::MAX, Ordering::SeqCst);
    running.board.follow().wait_for(|status| !status.connected).await.expect("it runs");
    while running.requests.try_recv().is_ok() {}
    let mut tries = 0;
    let hour = sleep(Duration::from_secs(3_600));
    tokio::pin!(hour);
    loop {
        tokio::select! {
            () = &mut hour => break,
            _ = running.next() => tries += 1,
        }
    }
    assert!((120..320).contains(&tries), "some in each minute: {tries}");
    running.stop.fire();
    running.task.await.expect("no panic");
}
