//! What one party can do to all others: each flood runs in a process of its own until it is killed.

use std::{
    net::{IpAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use ece_agent::{
    agent::{HostIp, gather_facts},
    client::{CoordinatorClient, Dialler, HttpCoordinator},
    config::{HostSettings, StateDir},
    host::FakeMachine,
    model::{CoordinatorAddress, Secret, SessionId},
    tls::{PinVerifier, PrivateKey},
    token::UnverifiedToken,
    wire::hosts::{EnrolRequest, Facts, PROTOCOL, SecretText, SessionRequest},
};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    client::{client, url},
    coordinator::ADDRESS,
    simulated::{self, Joined},
};

/// Each flood, with its title in the table.
pub const KINDS: [(&str, &str); 10] = [
    ("idle", "2,000 idle connections"),
    ("passwords", "wrong passwords, from the address of the one who logs in"),
    ("passwords-50", "wrong passwords, 50 addresses"),
    ("bearers", "invented bearer tokens"),
    ("enrolments", "refused enrolments, a new key each"),
    ("facts", "a member with new facts in each poll"),
    ("connections", "connections of one member's key"),
    ("bodies", "bodies that are refused early"),
    ("keys", "a readonly user who makes API keys"),
    ("searches", "searches at the bounds"),
];

/// Floods that a user makes who can log in: that password is known already.
pub const BY_READONLY: [&str; 2] = ["keys", "searches"];

const AT_ONCE: usize = 32;

/// How long a member's polls may take.
const POLL: Duration = Duration::from_secs(10);

/// Hosts of floods have numbers, and so addresses, beyond those of the fleet.
const FIRST_NUMBER: usize = 200_000;

pub fn run(kind: &str, dir: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(flood(kind, dir));
}

/// Says that the flood begins.
fn ready() {
    println!("{}", json!({ "ready": true }));
}

/// A client whose requests come from there, and do not wait for ever.
pub fn api(from: Option<IpAddr>) -> reqwest::Client {
    client().timeout(Duration::from_secs(10)).local_address(from).build().unwrap()
}

async fn flood(kind: &str, dir: &Path) {
    let readonly = std::env::var("BENCH_READONLY").unwrap_or_default();
    if BY_READONLY.contains(&kind) {
        // Its password is checked once, and remembered: this is no flood of passwords.
        let first = api(None).get(url("/user")).basic_auth("readonly", Some(&readonly));
        first.send().await.unwrap();
    }
    match kind {
        "idle" => {
            ready();
            let connect = |number: usize| TcpStream::connect((ADDRESS, [12343, 12443][number % 2]));
            let _held: Vec<TcpStream> =
                (0..2_000).filter_map(|number| connect(number).ok()).collect();
            std::future::pending().await
        }
        "passwords" => repeat(vec![api(None); AT_ONCE], wrong_password).await,
        "passwords-50" => {
            let from = |last: u8| api(Some([127, 98, 3, last].into()));
            repeat((1..=50).map(from).collect(), wrong_password).await
        }
        "bearers" => {
            let invented = |client: &reqwest::Client| {
                client.get(url("/user")).bearer_auth(Uuid::new_v4().to_string())
            };
            repeat(vec![api(None); AT_ONCE], invented).await
        }
        "bodies" => {
            let body = vec![b' '; 1 << 20];
            let large = move |client: &reqwest::Client| {
                let search = url("/platform/infrastructure/allocators/_search");
                client.post(search).header("content-type", "application/json").body(body.clone())
            };
            repeat(vec![api(None); AT_ONCE], large).await
        }
        "keys" => {
            let make = move |client: &reqwest::Client| {
                let make = client.post(url("/users/auth/keys"));
                make.basic_auth("readonly", Some(&readonly))
                    .json(&json!({ "description": "flood" }))
            };
            repeat(vec![api(None); AT_ONCE], make).await
        }
        "searches" => {
            let keys: Vec<String> = (0..8).map(|number| format!("metadata.{number}")).collect();
            let words: Vec<String> = (0..256).map(|number| format!("word-{number}")).collect();
            let body =
                json!({ "query": { "match": { "zone_id": words.join(" ") } }, "sort": keys });
            let search = move |client: &reqwest::Client| {
                let search = client.post(url("/platform/infrastructure/allocators/_search"));
                search.basic_auth("readonly", Some(&readonly)).json(&body)
            };
            repeat(vec![api(None); AT_ONCE], search).await
        }
        "enrolments" => enrolments(dir).await,
        "facts" => facts(dir).await,
        "connections" => connections(dir).await,
        _ => panic!("{kind}"),
    }
}

fn wrong_password(client: &reqwest::Client) -> reqwest::RequestBuilder {
    client.get(url("/user")).basic_auth("admin", Some(Uuid::new_v4().to_string()))
}

/// Each client asks again and again, whatever it is told.
async fn repeat(
    clients: Vec<reqwest::Client>,
    request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder + Clone + Send + Sync + 'static,
) {
    ready();
    let mut asking = JoinSet::new();
    for client in clients {
        let request = request.clone();
        asking.spawn(async move {
            loop {
                match request(&client).send().await {
                    Ok(reply) => drop(reply.bytes().await),
                    // One that is refused a connection does not spin.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
    }
    asking.join_all().await;
}

fn address() -> CoordinatorAddress {
    ADDRESS.parse().unwrap()
}

fn token(dir: &Path) -> UnverifiedToken {
    UnverifiedToken::parse(&std::fs::read_to_string(dir.join("token")).unwrap()).unwrap()
}

/// A host that has joined, with its key.
pub async fn member(number: usize, dir: &Path) -> (Joined, PrivateKey) {
    let (number, key) = (FIRST_NUMBER + number, PrivateKey::generate().unwrap());
    let state = StateDir::new(dir.join("hosts").join(number.to_string()));
    (simulated::join(number, &address(), state, &token(dir), &key).await, key)
}

fn facts_of(settings: &HostSettings) -> Facts {
    let host_ip = HostIp(settings.host_ip.unwrap());
    gather_facts(settings, &FakeMachine::default(), host_ip).unwrap()
}

async fn enrolments(dir: &Path) {
    let token = token(dir);
    let (joined, _) = member(3, dir).await;
    let facts = facts_of(&joined.identity.settings);
    ready();
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (facts, token, pins) =
            (facts.clone(), token.text().expose().to_owned(), token.claims().pins.clone());
        asking.spawn(async move {
            loop {
                let verifier = Arc::new(PinVerifier::new(pins.clone(), []));
                let key = PrivateKey::generate().unwrap();
                let dialler = Arc::new(Dialler::new(verifier, Some(&key)).unwrap());
                let request = EnrolRequest {
                    protocol: PROTOCOL,
                    runner_id: Uuid::new_v4().to_string().parse().unwrap(),
                    // The token does not allow it.
                    roles: "director".parse().unwrap(),
                    token: SecretText(Secret::new(&token[..])),
                    facts_hash: facts.hash(),
                    facts: facts.clone(),
                    replace: false,
                    overridden: Vec::new(),
                };
                let _ = HttpCoordinator::new(address(), dialler).enrol(&request).await;
            }
        });
    }
    asking.join_all().await;
}

fn poll(session: SessionId, facts: &Facts, with_facts: bool) -> SessionRequest {
    SessionRequest {
        protocol: PROTOCOL,
        session,
        facts_hash: facts.hash(),
        facts: with_facts.then(|| facts.clone()),
        // Nothing is held back from whoever has carried out nothing.
        applied_revision: 0,
        health: Default::default(),
        hold_ms: 4_000,
        closing: false,
        boot_id: None,
    }
}

async fn facts(dir: &Path) {
    let (joined, _) = member(1, dir).await;
    let mut facts = facts_of(&joined.identity.settings);
    let coordinator = HttpCoordinator::new(address(), joined.dialler.clone());
    let session = SessionId(Uuid::new_v4());
    ready();
    for number in 0u64.. {
        facts.hostname = format!("host-{number}");
        let _ = coordinator.poll(&poll(session, &facts, true), POLL).await;
    }
}

async fn connections(dir: &Path) {
    let (joined, key) = member(2, dir).await;
    let facts = facts_of(&joined.identity.settings);
    let session = SessionId(Uuid::new_v4());
    ready();
    let mut held = Vec::new();
    loop {
        let dialler = Arc::new(Dialler::new(joined.verifier.clone(), Some(&key)).unwrap());
        let coordinator = HttpCoordinator::new(address(), dialler);
        let _ = coordinator.poll(&poll(session, &facts, false), POLL).await;
        held.push(coordinator);
    }
}
