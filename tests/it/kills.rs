//! Processes that are killed at any moment, and a history that must hold all the same.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Cluster, Reply, StopAtEnd, disk_failure_library, skip, some_moment, within};

const TOKENS: &str = "/platform/configuration/security/enrollment-tokens";

/// How long an answer may take, however much else the machine has to do.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// Rounds in which the coordinator dies; `ECE_AGENT_LONG_TESTS` makes them many.
fn rounds(short: usize, long: usize) -> usize {
    if std::env::var_os("ECE_AGENT_LONG_TESTS").is_some() { long } else { short }
}

/// What the API has said so far.
#[derive(Default)]
struct History {
    made: BTreeSet<String>,
    revoked: BTreeSet<String>,
    /// Asked for, with an answer that did not arrive: either way is right.
    unknown: BTreeSet<String>,
}

/// Asks without failing the test when nobody answers.
fn ask(
    cluster: &Cluster,
    admin: &str,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Option<Value> {
    let (url, limit) = (cluster.url(path), LONGEST_ANSWER.as_secs().to_string());
    let mut command = std::process::Command::new("curl");
    command.args(["-sk", "-f", "--max-time", &limit, "-u", admin, "-X", method, &url]);
    if let Some(body) = body {
        command.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    let output = command.output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
}

#[test]
fn no_acknowledged_token_or_revocation_is_lost_when_the_coordinator_is_killed() {
    let mut cluster = Cluster::start();
    let admin = cluster.admin();
    let history = Mutex::new(History::default());
    for round in 0..rounds(12, 120) {
        let stop = AtomicBool::new(false);
        let made = || history.lock().unwrap().made.len();
        let before = made();
        std::thread::scope(|scope| {
            let _stop = StopAtEnd(&stop);
            for _ in 0..2 {
                scope.spawn(|| change_tokens(&cluster, &admin, &history, &stop));
            }
            assert!(within(LONGEST_ANSWER, || made() > before), "no token is made");
            some_moment(round, 0..150);
            cluster.first.signal("KILL");
        });
        cluster.first.wait();
        cluster.first.run();
        cluster.first.wait_connected();
        check(&cluster, &admin, &history.lock().unwrap());
    }
    let history = history.lock().unwrap();
    assert!(history.made.len() > 10, "too little happened: {}", history.made.len());
}

fn change_tokens(cluster: &Cluster, admin: &str, history: &Mutex<History>, stop: &AtomicBool) {
    let mut last = None;
    while !stop.load(Ordering::SeqCst) {
        let body = json!({ "persistent": true, "roles": ["allocator"] }).to_string();
        if let Some(made) = ask(cluster, admin, "POST", TOKENS, Some(&body)) {
            let id = made["token_id"].as_str().unwrap().to_owned();
            history.lock().unwrap().made.insert(id.clone());
            if let Some(before) = last.replace(id) {
                revoke(cluster, admin, history, before);
            }
        }
    }
}

fn revoke(cluster: &Cluster, admin: &str, history: &Mutex<History>, id: String) {
    history.lock().unwrap().unknown.insert(id.clone());
    if ask(cluster, admin, "DELETE", &format!("{TOKENS}/{id}"), None).is_some() {
        let mut history = history.lock().unwrap();
        history.unknown.remove(&id);
        history.revoked.insert(id);
    }
}

fn check(cluster: &Cluster, admin: &str, history: &History) {
    let listed = Reply::to(&["-u", admin, &cluster.url(TOKENS)]).expect(200).json();
    let listed: BTreeSet<&str> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["token_id"].as_str().unwrap())
        .collect();
    for id in &history.made {
        let there = listed.contains(id.as_str());
        if history.revoked.contains(id) {
            assert!(!there, "the revoked token {id} is back");
        } else if !history.unknown.contains(id) {
            assert!(there, "the token {id} was made, and is lost");
        }
    }
}

#[test]
fn joins_that_were_acknowledged_hold_and_count_once_when_the_coordinator_is_killed() {
    let mut cluster = Cluster::start();
    let hosts = rounds(6, 60);
    let token = cluster.create_token(json!({ "persistent": false, "max_uses": hosts }));
    let token = token["token"].as_str().unwrap().to_owned();
    for number in 0..hosts {
        let mut host = cluster.host(2 + number as u8);
        cluster.install(&mut host, &token, &[]);
        some_moment(number, 0..90);
        cluster.first.signal("KILL");
        cluster.first.wait();
        cluster.first.run();
        cluster.first.wait_connected();
        if host.status(&["--wait", "--timeout", "2"]).code != 0 {
            host.kill();
            cluster.install(&mut host, &token, &[]);
            host.wait_connected();
        }
        assert!(cluster.is_connected(&host.address));
    }
    // As many uses as hosts: one more is one too many, and none was counted twice.
    cluster.try_install(&cluster.host(250), &token, &[]).refused(14, "token.used_up");
    let runners = cluster.api("GET", "/platform/infrastructure/runners", None).json();
    assert_eq!(runners["runners"].as_array().unwrap().len(), hosts + 1);
}

/// The revocation races the join and the death of the coordinator. Whatever won: once the
/// revocation was acknowledged nobody comes in any more, and whoever was let in before stays.
#[test]
fn after_an_acknowledged_revocation_nobody_joins_though_the_coordinator_is_killed() {
    let mut cluster = Cluster::start();
    let admin = cluster.admin();
    for round in 0..rounds(6, 60) {
        let made = cluster.create_token(json!({ "persistent": true }));
        let token = made["token"].as_str().unwrap().to_owned();
        let path = format!("{TOKENS}/{}", made["token_id"].as_str().unwrap());
        let mut racing = cluster.host(2 + round as u8);
        cluster.install(&mut racing, &token, &[]);
        let dies_after_it = round % 2 == 0;
        let revoked = std::thread::scope(|scope| {
            let revoking = scope.spawn(|| {
                some_moment(round, 0..60);
                ask(&cluster, &admin, "DELETE", &path, None).is_some()
            });
            if dies_after_it {
                assert!(within(LONGEST_ANSWER, || revoking.is_finished()), "it is not answered");
            } else {
                some_moment(round, 0..100);
            }
            cluster.first.signal("KILL");
            revoking.join().unwrap()
        });
        assert!(revoked || !dies_after_it, "it was not acknowledged");
        cluster.first.wait();
        cluster.first.run();
        cluster.first.wait_connected();
        racing.kill();
        let known = |cluster: &Cluster| {
            let path = format!("/platform/infrastructure/runners/{}", racing.address);
            cluster.api("GET", &path, None).status == 200
        };
        if !revoked {
            let again = cluster.api("DELETE", &path, None).status;
            assert!([200, 404].contains(&again), "{again}");
        }
        // What it has asked for may have been under way until then.
        let was_let_in = known(&cluster);
        let late = cluster.try_install(&cluster.host(200), &token, &["--force"]);
        late.refused(14, "token.revoked");
        let again = cluster.try_install(&racing, &token, &["--force"]);
        if was_let_in {
            again.expect(0);
            racing.stop_background();
        } else {
            again.refused(14, "token.revoked");
        }
        assert_eq!(known(&cluster), was_let_in);
    }
}

#[test]
fn a_failed_sync_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    let test = "kills::a_failed_sync_ends_the_process_and_loses_nothing_that_was_acknowledged";
    let mut cluster = Cluster::start();
    cluster.first.stop();
    let dir = cluster.first.state.parent().unwrap().to_owned();
    let flag = dir.join("fail-now");
    let Some(library) = disk_failure_library(&dir) else {
        return skip(test, "it needs a C compiler");
    };
    cluster.first.run_with(&[("LD_PRELOAD", &library), ("FAIL_SYNC_FILE", flag.to_str().unwrap())]);
    cluster.first.wait_connected();
    let before = cluster.create_token(json!({ "persistent": true }));
    std::fs::write(&flag, "").unwrap();
    let admin = cluster.admin();
    let body = json!({ "persistent": true }).to_string();
    assert!(ask(&cluster, &admin, "POST", TOKENS, Some(&body)).is_none(), "it was acknowledged");
    assert_ne!(cluster.first.wait(), Some(0), "it goes on without a disk");
    assert!(cluster.first.log().contains("store.failed"), "{}", cluster.first.log());
    cluster.first.run();
    cluster.first.wait_connected();
    let listed = cluster.api("GET", TOKENS, None).expect(200).body;
    assert!(listed.contains(before["token_id"].as_str().unwrap()));
}

#[test]
fn what_was_acknowledged_and_is_lost_with_the_end_of_the_log_is_told() {
    let mut cluster = Cluster::start();
    cluster.create_token(json!({ "persistent": true }));
    cluster.first.kill();
    let log = cluster.first.state.join("coordinator/store.db-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    for _ in 0..2 {
        cluster.first.run();
        cluster.first.wait_connected();
        let told = cluster.first.log().matches("store.changes_lost").count();
        assert_eq!(told, 1, "{}", cluster.first.log());
        cluster.first.kill();
    }
}

#[test]
fn acknowledged_roles_hold_when_the_coordinator_is_killed() {
    let mut cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let admin = cluster.admin();
    let path = format!("/platform/infrastructure/runners/{}/roles", host.address);
    let body = |name: &str| json!({ "roles": [{ "role_name": name }] }).to_string();
    let mut last = Value::from("allocator");
    for round in 0..rounds(8, 100) {
        let (mut acknowledged, mut asked) = (None, None);
        let count = AtomicUsize::new(0);
        let dies_after_some = round % 2 == 0;
        std::thread::scope(|scope| {
            let changes = scope.spawn(|| {
                for number in 0.. {
                    let name = format!("mark-{round}-{number}");
                    asked = Some(name.clone());
                    if ask(&cluster, &admin, "PUT", &path, Some(&body(&name))).is_none() {
                        return;
                    }
                    acknowledged = Some(name);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
            if dies_after_some {
                within(LONGEST_ANSWER, || count.load(Ordering::SeqCst) > 0);
            }
            some_moment(round, 0..120);
            cluster.first.signal("KILL");
            changes.join().unwrap();
        });
        assert!(acknowledged.is_some() || !dies_after_some, "no change is acknowledged");
        cluster.first.wait();
        cluster.first.run();
        cluster.first.wait_connected();
        let found = cluster.runner(&host.address)["roles"][0]["role_name"].clone();
        let possible = [acknowledged, asked].map(|name| name.map_or(Value::Null, Value::from));
        let before_any = possible[0].is_null() && found == last;
        assert!(possible.contains(&found) || before_any, "{found} is none of {possible:?}");
        last = found;
    }
}
