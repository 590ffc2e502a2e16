//! What somebody could make grow without end, and what has to work when it did.

use std::{fs, time::Duration};

use ece_agent::{
    agent::{HostKeyState, dialler, gather_facts, load_identity, load_key},
    client::{CoordinatorClient, HttpCoordinator},
    config::StateDir,
    host::LinuxMachine,
    model::SessionId,
    wire::hosts::{PROTOCOL, SessionRequest},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Cluster, Finished, Host, Reply, SmallDisk, agent, skip, within};

const AUDIT: &str = "/platform/configuration/audit";

fn store_bytes(cluster: &Cluster) -> u64 {
    let dir = cluster.first.state.join("coordinator");
    let size = |name: &str| fs::metadata(dir.join(name)).map_or(0, |it| it.len());
    size("store.db") + size("store.db-wal")
}

/// Polls with the key of `host`, each time with other facts, as fast as it is answered.
fn change_facts_all_the_time(host: &Host, polls: u32) {
    ece_agent::tls::install_provider();
    let state = StateDir::new(host.state.clone());
    let identity = load_identity(&state).unwrap().unwrap();
    let HostKeyState::There(key) = load_key(&state).unwrap() else { panic!("no key") };
    let coordinator =
        HttpCoordinator::new(identity.coordinators().remove(0), dialler(&identity, &key).unwrap());
    let host_ip = ece_agent::agent::HostIp(identity.host_ip);
    let mut facts = gather_facts(&identity.settings, &LinuxMachine, host_ip).unwrap();
    let session = SessionId(Uuid::new_v4());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for number in 0..polls {
            facts.hostname = format!("{}{number}", "x".repeat(200));
            let request = SessionRequest {
                protocol: PROTOCOL,
                session,
                facts_hash: facts.hash(),
                facts: Some(facts.clone()),
                applied_revision: 0,
                health: Default::default(),
                hold_ms: 4000,
                closing: false,
                boot_id: None,
            };
            coordinator.poll(&request, Duration::from_secs(20)).await.unwrap();
        }
    });
}

#[test]
fn a_member_that_says_something_new_with_each_poll_writes_little_and_is_named() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.stop();
    let before = store_bytes(&cluster);
    change_facts_all_the_time(&host, 100);
    let grown = store_bytes(&cluster) - before;
    assert!(grown < 512 << 10, "{grown} bytes");
    let page = cluster.api("GET", &format!("{AUDIT}?action=host.facts"), None).json();
    let changes = page["records"].as_array().unwrap();
    assert_eq!(changes.len(), 10);
    let names: Vec<&String> = changes[0]["after"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["hostname"], "only what differs");
    assert_eq!(cluster.runner(&host.address)["problems"][0]["code"], "host.facts_too_often");
    let state = cluster.first.state.to_str().unwrap();
    let told = Finished::of(&mut agent(["host", "show", &host.address, "--state-dir", state]));
    assert!(told.expect(0).stdout.contains("host.facts_too_often"));
    // The daemon itself is told, and stays connected.
    host.run();
    host.wait_connected();
    assert_eq!(host.status_json()["warnings"][0]["code"], "host.facts_too_often");
}

#[test]
fn on_a_full_disk_hosts_keys_and_tokens_can_still_be_taken_away() {
    let test = "growth::on_a_full_disk_hosts_keys_and_tokens_can_still_be_taken_away";
    let prepared = Cluster::prepare();
    let state = prepared.first.state.clone();
    let Some(disk) = SmallDisk::mount(&state, 16 << 10) else {
        return skip(test, "it needs root, to mount a small file system");
    };
    let cluster = prepared.boot(&[]);
    let token = cluster.create_token(json!({ "persistent": true, "roles": ["proxy"] }));
    let token = token["token"].as_str().unwrap();
    let hosts: Vec<Host> = (2..8)
        .map(|number| {
            let mut host = cluster.host(number);
            cluster.install(&mut host, token, &["--roles", "proxy"]);
            host.wait_connected();
            host
        })
        .collect();
    let mut gone = cluster.joined(9, "");
    gone.stop();
    let key = cluster.api("POST", "/users/auth/keys", Some(json!({ "description": "d" })));
    let key = key.expect(201).json()["id"].as_str().unwrap().to_owned();
    disk.fill();
    let ordinary = || {
        let body = json!({ "persistent": true, "description": "x".repeat(1000) });
        cluster.api("POST", "/platform/configuration/security/enrollment-tokens", Some(body))
    };
    // What the log gives back when the disk is full for the first time is filled again.
    let full = within(Duration::from_secs(60), || {
        disk.fill();
        ordinary().status == 507 && ordinary().status == 507
    });
    assert!(full, "the disk does not get full");
    ordinary().failed(507, "root.datastore_full");
    // Whatever was refused has given no room to whoever fills the disk.
    disk.fill();

    let ledger = cluster.api("GET", "/platform/configuration/security/token-ledger", None).json();
    let id = ledger["tokens"].as_array().unwrap().iter().find(|it| !it["uses"][1].is_null());
    let id = id.unwrap()["token_id"].as_str().unwrap().to_owned();
    let evicting = format!("/platform/configuration/security/token-ledger/{id}?evict=true");
    let runner = format!("/platform/infrastructure/runners/{}", gone.address);
    cluster.api("DELETE", &runner, None).expect(200);
    cluster.api("DELETE", &format!("/users/auth/keys/{key}"), None).expect(200);
    let roles = format!("/platform/infrastructure/runners/{}/roles", hosts[0].address);
    cluster.api("PUT", &roles, Some(json!({ "roles": [] }))).expect(200);
    let evicted = cluster.api("DELETE", &evicting, None).expect(200).json();
    assert_eq!(evicted["evicted"].as_array().unwrap().len(), hosts.len());
    disk.empty();
    assert_eq!(ordinary().status, 200);
}

#[test]
fn an_export_of_the_audit_is_whole_and_a_list_says_that_there_is_more() {
    let cluster = Cluster::start();
    for _ in 0..120 {
        cluster.token("");
    }
    let state = cluster.first.state.to_str().unwrap();
    let call = |arguments: &[&str]| {
        let mut command = agent(arguments);
        Finished::of(command.args(["--state-dir", state]))
    };
    let exported = call(&["audit", "export"]).expect(0).events();
    assert_eq!(exported.len(), 121);
    let listed = call(&["audit", "list"]).expect(0);
    assert_eq!(listed.stdout.lines().count(), 101);
    assert!(listed.stderr.contains("older changes"), "{}", listed.stderr);
    let few = call(&["audit", "list", "--size", "3", "--json"]).expect(0).json();
    let next = few["next"].as_str().unwrap();
    let older = cluster.api("GET", &format!("{AUDIT}?size=1&before={next}"), None).json();
    assert_eq!(older["records"][0], exported[3]);
    let lines = cluster.api("GET", &format!("{AUDIT}?format=jsonl"), None).body;
    let lines: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines, exported);
    // However far back it is asked for, it costs what there is.
    let all = cluster.api("GET", &format!("{AUDIT}?since=1970-01-01T00:00:00Z&size=10000"), None);
    assert_eq!(all.json()["records"].as_array().unwrap().len(), 121);
    cluster
        .api("GET", &format!("{AUDIT}?before=..%2F..%2Fkeys"), None)
        .failed(400, "root.invalid_parameter");
    Reply::to(&[&cluster.url(AUDIT)]).failed(401, "root.unauthenticated");
}
