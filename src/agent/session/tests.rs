use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::{
    agent::status::Status,
    config::HostSettings,
    host::FakeMachine,
    model::RoleSet,
    rt::{ShutdownTrigger, Timestamp},
    wire::hosts::{EnrolReply, EnrolRequest},
};

/// A coordinator that keeps to the protocol, and can be told to be away.
struct FakeCoordinator {
    address: CoordinatorAddress,
    seen: mpsc::UnboundedSender<SessionRequest>,
    facts_hash: Mutex<String>,
    away_for: AtomicU64,
    return_window_ms: AtomicU64,
}

#[async_trait::async_trait]
impl CoordinatorClient for Arc<FakeCoordinator> {
    fn address(&self) -> &CoordinatorAddress {
        &self.address
    }

    async fn enrol(&self, _request: &EnrolRequest) -> Result<EnrolReply, ClientError> {
        unreachable!("a member does not enrol")
    }

    async fn poll(
        &self,
        request: &SessionRequest,
        _timeout: Duration,
    ) -> Result<SessionReply, ClientError> {
        let _ = self.seen.send(request.clone());
        let away = self.away_for.load(Ordering::SeqCst);
        if away > 0 {
            self.away_for.store(away - 1, Ordering::SeqCst);
            return Err(ClientError::Busy(self.address.clone()));
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
            desired: DesiredState {
                revision: 3,
                roles: vec!["proxy".into(), "unheard-of".into()],
                maintenance: false,
            },
            hold_ms: 4000,
            return_window_ms: self.return_window_ms.load(Ordering::SeqCst),
            send_facts: !known,
            coordinators: Vec::new(),
            notices: Vec::new(),
        })
    }
}

struct Running {
    coordinator: Arc<FakeCoordinator>,
    machine: Arc<FakeMachine>,
    requests: mpsc::UnboundedReceiver<SessionRequest>,
    board: StatusBoard,
    stop: ShutdownTrigger,
    task: tokio::task::JoinHandle<Result<(), Failure>>,
    _dir: tempfile::TempDir,
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
    let dir = tempfile::tempdir().expect("a directory");
    let identity = identity(dir.path());
    let (seen, requests) = mpsc::unbounded_channel();
    let coordinator = Arc::new(FakeCoordinator {
        address: "10.0.0.1".parse().expect("an address"),
        seen,
        facts_hash: Mutex::default(),
        away_for: AtomicU64::new(away_for),
        return_window_ms: AtomicU64::default(),
    });
    let machine =
        Arc::new(FakeMachine { memory_bytes: AtomicU64::new(8 << 30), ..Default::default() });
    let id = SessionId(Uuid::new_v4());
    let board = StatusBoard::new(Status::at_start(&identity, id, Timestamp::from_unix_seconds(0)));
    let session = Session {
        id,
        identity,
        state: StateDir::new(dir.path().to_owned()),
        coordinators: vec![Box::new(coordinator.clone())],
        verifier: Arc::new(PinVerifier::new([], [])),
        machine: machine.clone(),
        supervisor: Supervisor::new([crate::agent::proxy_service()]),
        board: board.clone(),
        clock: Clock::from_fn(|| Timestamp::from_unix_seconds(1_800_000_000)),
    };
    let (stop, shutdown) = ShutdownTrigger::new();
    let task = tokio::spawn(session.run(shutdown));
    Running { coordinator, machine, requests, board, stop, task, _dir: dir }
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
async fn what_is_desired_runs_and_is_reported_as_applied() {
    let mut running = start(0);
    assert_eq!(running.next().await.applied_revision, 0);
    let request = running.next().await;
    assert_eq!(request.applied_revision, 3);
    assert!(request.health[&crate::model::Role::Proxy].healthy);
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
async fn when_it_stops_it_says_goodbye() {
    let mut running = start(0);
    while running.next().await.applied_revision != 3 {}
    running.stop.fire();
    loop {
        if running.next().await.closing {
            break;
        }
    }
    running.task.await.expect("no panic").expect("a clean end");
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
    running.task.await.expect("no panic").expect("stopped");
}
