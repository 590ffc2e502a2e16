//! A process of simulated hosts: the real client code on an imagined machine.

use std::{
    io::BufRead,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ece_agent::{
    agent::{
        Dial, HostIp, Identity, Session, Status, StatusBoard, Supervisor, allocator_service,
        gather_facts, proxy_service,
    },
    client::{CoordinatorClient, Dialler, HttpCoordinator},
    config::{HostSettings, StateDir},
    host::{FakeMachine, SharedMachine},
    model::{CoordinatorAddress, Role, RoleSet, RunnerId, Secret, SessionId},
    rt::{Clock, Shutdown, ShutdownTrigger},
    tls::{PinVerifier, PrivateKey},
    token::UnverifiedToken,
    wire::{
        desired::DesiredState,
        hosts::{EnrolRequest, PROTOCOL, SecretText},
    },
};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};
use uuid::Uuid;

use super::{
    client::{client, url},
    process::quantile,
};

/// Joins under way at a time.
const AT_ONCE: usize = 64;

/// A host that is a member, and does not run yet.
pub struct Joined {
    pub identity: Identity,
    state: StateDir,
    pub verifier: Arc<PinVerifier>,
    pub dialler: Arc<Dialler>,
}

pub fn run(address: &str, first: usize, count: usize, dir: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let address: CoordinatorAddress = address.parse().unwrap();
    let token = std::fs::read_to_string(dir.join("token")).unwrap();
    let token = UnverifiedToken::parse(&token).unwrap();
    let started = Instant::now();
    let joined = runtime.block_on(join_all(&address, first, count, dir, &token));
    println!("{}", json!({ "joined": joined.len(), "seconds": started.elapsed().as_secs_f64() }));

    let (_stop, shutdown) = ShutdownTrigger::new();
    let mut joined = Some(joined);
    let mut boards = Vec::new();
    for command in std::io::stdin().lock().lines() {
        let command = command.unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        let reply = runtime.block_on(async {
            match words[..] {
                ["connect"] => {
                    let hosts = joined.take().unwrap();
                    boards = hosts.into_iter().map(|host| connect(host, &shutdown)).collect();
                    json!({})
                }
                ["wait"] => json!({ "seconds": wait_connected(&boards).await }),
                ["roles", times, admin] => {
                    json!({ "ms": change_roles(&boards, times.parse().unwrap(), admin).await })
                }
                _ => panic!("{command}"),
            }
        });
        println!("{reply}");
    }
}

async fn join_all(
    address: &CoordinatorAddress,
    first: usize,
    count: usize,
    dir: &Path,
    token: &UnverifiedToken,
) -> Vec<Joined> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for number in first..first + count {
        let (room, address, token) = (room.clone(), address.clone(), token.clone());
        let state = StateDir::new(dir.join("hosts").join(number.to_string()));
        tasks.spawn(async move {
            let _place = room.acquire().await.unwrap();
            let key = PrivateKey::generate().unwrap();
            join(number, &address, state, &token, &key).await
        });
    }
    tasks.join_all().await
}

/// Each host comes from an address of its own, 250 from a network, as hosts do.
fn source(number: usize) -> IpAddr {
    let (high, low) = (number / 250, number % 250);
    Ipv4Addr::new(127, 128 + (high >> 8) as u8, high as u8, low as u8 + 1).into()
}

pub async fn join(
    number: usize,
    address: &CoordinatorAddress,
    state: StateDir,
    token: &UnverifiedToken,
    key: &PrivateKey,
) -> Joined {
    std::fs::create_dir_all(state.path()).unwrap();
    let host_ip = IpAddr::from(Ipv4Addr::from(0x0a00_0000 + number as u32 + 1));
    let runner_id: RunnerId = host_ip.to_string().parse().unwrap();
    let settings = HostSettings {
        host_ip: Some(host_ip),
        zone: format!("zone-{}", number % 3).parse().unwrap(),
        capacity_mb: None,
        storage_path: state.path().join("storage"),
        allocator_tags: Default::default(),
        proxy_tags: Default::default(),
        external_hostnames: Vec::new(),
        metrics_listen: None,
    };
    let facts = gather_facts(&settings, &FakeMachine::default(), HostIp(host_ip)).unwrap();
    let roles: RoleSet = "allocator".parse().unwrap();
    let pins = token.claims().pins.clone();
    let verifier = Arc::new(PinVerifier::new(pins.clone(), []));
    let dialler = Dialler::from_address(Some(source(number)), verifier.clone(), Some(key));
    let dialler = Arc::new(dialler.unwrap());
    let request = EnrolRequest {
        protocol: PROTOCOL,
        runner_id: runner_id.clone(),
        roles: roles.clone(),
        token: SecretText(Secret::new(token.text().expose())),
        facts_hash: facts.hash(),
        facts,
        replace: false,
        overridden: Vec::new(),
    };
    let coordinator = HttpCoordinator::new(address.clone(), dialler.clone());
    let reply = loop {
        match coordinator.enrol(&request).await {
            Ok(reply) => break reply,
            Err(error) => eprintln!("{runner_id}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let identity = Identity::new(
        runner_id,
        reply.cluster_id,
        host_ip,
        roles,
        false,
        settings,
        vec![address.clone()],
        reply.coordinators,
        pins,
        reply.ca_certificate,
    );
    Joined { identity, state, verifier, dialler }
}

pub fn connect(host: Joined, shutdown: &Shutdown) -> StatusBoard {
    let Joined { identity, state, verifier, dialler } = host;
    let id = SessionId(Uuid::new_v4());
    let board = StatusBoard::new(Status::at_start(&identity, id, Clock::system().now()));
    let machine: SharedMachine = Arc::new(FakeMachine::default());
    let dial: Dial =
        Box::new(move |address| Box::new(HttpCoordinator::new(address, dialler.clone())));
    let session = Session {
        id,
        dial,
        supervisor: Supervisor::new([
            allocator_service(&state, &identity.settings.storage_path),
            proxy_service(),
        ]),
        desired: DesiredState::default(),
        identity,
        state,
        verifier,
        machine,
        board: board.clone(),
        clock: Clock::system(),
    };
    let shutdown = shutdown.clone();
    tokio::spawn(async move { session.run(shutdown).await });
    board
}

/// Seconds until half of the hosts, 99 of 100, and all of them say that they are connected.
async fn wait_connected(boards: &[StatusBoard]) -> [f64; 3] {
    let started = Instant::now();
    let mut took = Vec::with_capacity(boards.len());
    let mut waits: JoinSet<_> = boards
        .iter()
        .map(|board| {
            let mut followed = board.follow();
            async move {
                followed.wait_for(|status| status.connected).await.unwrap();
                started.elapsed().as_secs_f64()
            }
        })
        .collect();
    while let Some(seconds) = waits.join_next().await {
        took.push(seconds.unwrap());
    }
    [0.5, 0.99, 1.0].map(|share| quantile(&mut took, share))
}

/// Gives hosts the proxy role, or takes it, one after the other; milliseconds from request to
/// action.
async fn change_roles(boards: &[StatusBoard], times: usize, admin: &str) -> Vec<f64> {
    let api = client().build().unwrap();
    let (user, password) = admin.split_once(':').unwrap();
    let mut took = Vec::new();
    for board in boards.iter().step_by(boards.len() / times).take(times) {
        let revision = board.read().desired_revision;
        let path = format!("/platform/infrastructure/runners/{}/roles", board.read().name());
        let mut roles = vec![json!({ "role_name": "allocator" })];
        if !board.read().roles.contains_key(&Role::Proxy) {
            roles.push(json!({ "role_name": "proxy" }));
        }
        let roles = json!({ "roles": roles });
        let started = Instant::now();
        let sent = api.put(url(&path)).basic_auth(user, Some(password)).json(&roles).send();
        let mut followed = board.follow();
        let acted = async {
            followed.wait_for(|status| status.desired_revision > revision).await.unwrap();
            started.elapsed().as_secs_f64() * 1000.0
        };
        let answered = async {
            let reply = sent.await.unwrap();
            assert!(reply.status().is_success(), "{reply:?}");
        };
        let (ms, ()) = tokio::join!(acted, answered);
        took.push(ms);
    }
    took
}
