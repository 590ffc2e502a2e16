//! Who a host is: keys that are lost, copied or mixed up, and a first host whose data is.

use std::{fs, io::Write, path::Path, time::Duration};

use ece_agent::tls::PrivateKey;
use serde_json::json;

use crate::support::{Caller, Cluster, Finished, Host, agent, answer, request, within};

fn again(host: &Host, flags: &[&str]) -> Finished {
    let mut command = host.install_command(&["--force"]);
    Finished::of(command.args(flags))
}

fn uninstall(host: &Host) -> Finished {
    Finished::of(agent(["uninstall", "--state-dir"]).arg(&host.state))
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_dir(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_host_that_had_joined_never_becomes_the_first_of_a_cluster_of_its_own() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.stop();
    let key = fs::read(host.state.join("host.key")).unwrap();
    let refused = |flags: &[&str]| {
        for more in [&[][..], &["--dry-run"]] {
            let told = again(&host, &[flags, more].concat()).refused(3, "token.missing").stderr;
            assert!(told.contains("--roles-token-file"), "{told}");
        }
        assert!(!host.state.join("coordinator").exists());
        assert_eq!(fs::read(host.state.join("host.key")).unwrap(), key);
    };
    refused(&["--new-identity"]);
    let path = format!("/platform/infrastructure/runners/{}", host.address);
    cluster.api("DELETE", &path, None).expect(200);
    refused(&["--new-identity"]);
    // Whatever has become of what says that it had joined.
    fs::write(host.state.join("identity.json"), "{").unwrap();
    refused(&["--new-identity"]);
    again(&host, &[]).refused(1, "identity.unreadable");
    fs::remove_file(host.state.join("identity.json")).unwrap();
    refused(&[]);
    fs::remove_file(host.state.join("install.json")).unwrap();
    refused(&["--new-identity"]);
}

#[test]
fn a_daemon_is_not_stopped_for_a_new_identity_that_cannot_be_had() {
    let cluster = Cluster::start();
    let host = cluster.host(2);
    let made = cluster.create_token(json!({ "persistent": true, "roles": ["allocator"] }));
    let token = made["token"].as_str().unwrap();
    cluster.try_install(&host, token, &["--force", "--roles", "allocator"]).expect(0);
    let id = made["token_id"].as_str().unwrap();
    let evict = format!("/platform/configuration/security/token-ledger/{id}?evict=true");
    cluster.api("DELETE", &evict, None).expect(200);
    let refused = || host.status_json()["problem"]["code"] == "host.removed";
    assert!(within(Duration::from_secs(20), refused), "{}", host.status_json());
    let pid = host.status_json()["pid"].clone();
    let good = cluster.token("allocator");
    let nobody = cluster.host(77).address.clone();
    let named = |coordinator: &str, token: &str| {
        let flags = ["--new-identity", "--coordinator-host", coordinator, "--roles-token", token];
        again(&host, &flags)
    };
    named(&nobody, &good).refused(12, "coordinator.connection_refused");
    named(&cluster.first.address, "x").refused(10, "token.malformed");
    // It had a role that this token does not allow.
    let other = cluster.token("proxy");
    let told = named(&cluster.first.address, &other).refused(10, "token.roles_exceeded").stderr;
    assert!(told.contains("allows proxy") && told.contains("allow allocator"), "{told}");
    assert_eq!(host.status_json()["pid"], pid, "the daemon was stopped");
    // What is not given anew is as it was, roles too.
    named(&cluster.first.address, &good).expect(0);
    assert!(cluster.allocator(&host.address).is_some());
    host.stop_background();
}

#[test]
fn a_first_host_without_its_key_gets_another_and_keeps_its_cluster() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    cluster.first.stop();
    let key = cluster.first.state.join("host.key");
    for damage in ["", "x"] {
        match damage {
            "" => fs::remove_file(&key).unwrap(),
            damage => fs::write(&key, damage).unwrap(),
        }
        let told = again(&cluster.first, &[]).refused(1, "identity.unreadable").stderr;
        assert!(told.contains("first host of a cluster needs no token"), "{told}");
        let told = again(&cluster.first, &["--new-identity"]).expect(0).stderr;
        assert!(told.contains("which knows this host by its new key"), "{told}");
        assert!(cluster.is_connected(&cluster.first.address));
        assert_eq!(cluster.first.status_json()["roles"].as_object().unwrap().len(), 4);
        let again_there = || cluster.is_connected(&host.address);
        assert!(within(Duration::from_secs(20), again_there));
        cluster.first.stop_background();
    }

    // Another key, and a daemon that nobody knows: the way that the fix says.
    let elsewhere = Cluster::start();
    fs::copy(elsewhere.first.state.join("host.key"), &key).unwrap();
    Finished::of(agent(["start", "--state-dir"]).arg(&cluster.first.state)).expect(0);
    let unknown = || cluster.first.status_json()["problem"]["code"] == "host.unknown";
    assert!(within(Duration::from_secs(20), unknown), "{}", cluster.first.status_json());
    let token = cluster.secret("allocator_only_token");
    let told = again(&cluster.first, &["--new-identity", "--roles-token", &token]).expect(0).stderr;
    assert!(told.contains("the token is not used"), "{told}");
    assert!(cluster.is_connected(&cluster.first.address));
    again(&cluster.first, &["--new-identity"]).refused(3, "join.not_needed");
    cluster.first.stop_background();
    host.stop();
}

#[test]
fn a_first_host_is_rebuilt_from_its_backup() {
    let mut cluster = Cluster::start_with(&["--runner-id", "the-first"]);
    let host = cluster.joined(2, "allocator");
    cluster.first.stop();
    let kept = cluster.first.state.join("../kept");
    copy_dir(&cluster.first.state.join("coordinator"), &kept);
    fs::remove_dir_all(&cluster.first.state).unwrap();
    fs::create_dir(&cluster.first.state).unwrap();
    copy_dir(&kept, &cluster.first.state.join("coordinator"));
    again(&cluster.first, &["--runner-id", "other"]).refused(3, "install.runner_id_differs");
    let told = again(&cluster.first, &[]).expect(0).stderr;
    assert!(told.contains("the host the-first is connected"), "{told}");
    let secrets = cluster.secrets_file().display().to_string();
    assert!(told.contains("API: https://") && told.contains(&secrets), "{told}");
    // What an operator has missed is told again, with the daemon running or not.
    let told = again(&cluster.first, &["--show-secrets"]).expect(0).stderr;
    let password = cluster.secret("adminconsole_root_password");
    assert!(told.contains(&secrets) && told.contains(&password), "{told}");
    let told = |flags: &[&str]| again(&cluster.first, flags).expect(0).events().pop().unwrap();
    let done = told(&["--json", "--show-secrets"]);
    assert_eq!(done["secrets_file"], secrets);
    assert_eq!(done["secrets"]["adminconsole_root_password"], password);
    let done = told(&["--json"]);
    assert!(done["secrets_file"] == secrets && done["secrets"].is_null(), "{done}");
    cluster.first.stop_background();
    let told = again(&cluster.first, &[]).expect(0).stderr;
    assert!(told.contains("API: https://") && told.contains(&secrets), "{told}");
    assert!(within(Duration::from_secs(20), || cluster.is_connected(&host.address)));
    cluster.first.stop_background();

    // All that the host is has stayed, and the backup is older than its key.
    fs::remove_dir_all(cluster.first.state.join("coordinator")).unwrap();
    copy_dir(&kept, &cluster.first.state.join("coordinator"));
    let told = again(&cluster.first, &[]).expect(0).stderr;
    assert!(told.contains("which knows this host by its new key"), "{told}");
    assert!(told.contains("the host the-first is connected"), "{told}");
    assert!(within(Duration::from_secs(20), || cluster.is_connected(&host.address)));
    cluster.first.stop_background();
    let told = again(&cluster.first, &[]).expect(0).stderr;
    assert!(!told.contains("by its new key"), "{told}");
    cluster.first.stop_background();
}

#[test]
fn what_a_cluster_cannot_be_without_is_named_and_never_made_anew() {
    let mut cluster = Cluster::start();
    cluster.first.kill();
    let dir = cluster.first.state.join("coordinator");
    let kept = cluster.first.state.join("../kept");
    copy_dir(&dir, &kept);
    let state = cluster.first.state.clone();
    let run = || Finished::of(agent(["run", "--state-dir"]).arg(&state));
    let restore = || copy_dir(&kept, &dir);
    let listed = || {
        let mut names: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for (name, content) in [("store.db", None), ("store.db", Some("")), ("master.key", None)] {
        let file = dir.join(name);
        match content {
            None => fs::remove_file(&file).unwrap(),
            Some(content) => fs::write(&file, content).unwrap(),
        }
        let before = listed();
        let told = run().refused(14, "store.missing").stderr;
        assert!(
            told.contains(&*file.to_string_lossy()) && told.contains("from a backup"),
            "{told}"
        );
        again(&cluster.first, &[]).refused(14, "store.missing");
        again(&cluster.first, &["--new-identity"]).refused(14, "store.missing");
        assert_eq!(listed(), before);
        restore();
    }
    // Without anything else of the host, too.
    let whole = cluster.first.state.with_extension("whole");
    fs::rename(&cluster.first.state, &whole).unwrap();
    fs::create_dir_all(&dir).unwrap();
    fs::copy(kept.join("tls.key"), dir.join("tls.key")).unwrap();
    again(&cluster.first, &[]).refused(14, "store.missing");
    fs::remove_dir_all(&cluster.first.state).unwrap();
    fs::rename(&whole, &cluster.first.state).unwrap();

    for (name, content, code) in [
        ("master.key", "x", "coordinator.key_damaged"),
        ("tls.key", "x", "coordinator.key_damaged"),
        (
            "store.db",
            "no database, and longer than its header is: it has to be a hundred bytes, or SQLite takes it for an empty one",
            "store.failed",
        ),
    ] {
        if name == "store.db" {
            fs::remove_file(dir.join("store.db-wal")).unwrap();
        }
        fs::write(dir.join(name), content).unwrap();
        let exit = if code == "store.failed" { 1 } else { 14 };
        let told = run().refused(exit, code).stderr;
        let fix = match name {
            "tls.key" => format!("rm {}", dir.join(name).display()),
            "master.key" => "from the backup".to_owned(),
            _ => "from a backup".to_owned(),
        };
        assert!(told.contains(&fix), "{name}: {told}");
        if name == "tls.key" {
            fs::remove_file(dir.join(name)).unwrap();
            cluster.first.run();
            cluster.first.wait_connected();
            cluster.first.stop();
        }
        restore();
    }
}

#[test]
fn a_copy_that_is_uninstalled_leaves_the_host_that_it_is_a_copy_of_alone() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let mut copy = cluster.host(3);
    copy_dir(&host.state, &copy.state);
    // One that never ran, and one that is refused.
    let told = uninstall(&copy).expect(0).stderr;
    assert!(told.contains("was not told: another machine uses this host's key"), "{told}");
    assert!(!copy.state.exists());
    copy_dir(&host.state, &copy.state);
    copy.run();
    let refused = || copy.status(&["--json"]).stdout.contains("host.cloned");
    assert!(within(Duration::from_secs(20), refused), "{:?}", copy.status(&[]));
    let mut list = agent(["host", "list", "--state-dir"]);
    let listed = Finished::of(list.arg(&cluster.first.state)).expect(0).stdout;
    let line = listed.lines().find(|line| line.starts_with(&host.address)).unwrap();
    assert!(line.ends_with(" host.cloned"), "{listed}");
    let told = uninstall(&copy).expect(0).stderr;
    assert!(told.contains("was not told: another machine uses this host's key"), "{told}");
    copy.wait();
    assert!(cluster.is_connected(&host.address));
    assert_eq!(host.status_json()["connected"], true);
    // Or it becomes a host of its own, with data where it is told to have it.
    copy_dir(&host.state, &copy.state);
    let token = cluster.token("allocator");
    let coordinator = ["--coordinator-host", &cluster.first.address, "--roles-token", &token];
    again(&copy, &[&["--new-identity"][..], &coordinator].concat()).expect(0);
    assert!(within(Duration::from_secs(10), || copy.storage.join("instances").is_dir()));
    assert!(cluster.is_connected(&copy.address) && cluster.is_connected(&host.address));
    copy.stop_background();
    host.stop();
    let told = uninstall(&host).expect(0).stderr;
    assert!(told.contains("left the cluster"), "{told}");
}

#[test]
fn who_has_a_copy_of_a_key_and_names_no_session_does_not_end_the_membership_of_a_host_that_is_there()
 {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let pem = fs::read_to_string(host.state.join("host.key")).unwrap();
    let copy = Caller::new(&cluster, Some(&PrivateKey::from_pem(&pem).unwrap()));
    let protocol = ece_agent::wire::hosts::PROTOCOL;
    let leave = || {
        let body = format!(r#"{{"protocol":{protocol}}}"#);
        let json = "Content-Type: application/json\r\n";
        let mut stream = copy.connect(12343);
        stream.write_all(request("POST /agent/v1/leave", json, &body).as_bytes()).unwrap();
        stream.flush().unwrap();
        let (head, body) = answer(&mut *stream).unwrap();
        (head, String::from_utf8(body).unwrap())
    };
    let (head, body) = leave();
    assert!(body.contains("host.cloned"), "{head}{body}");
    assert!(cluster.is_connected(&host.address));
    host.stop();
    assert!(within(Duration::from_secs(10), || !cluster.is_connected(&host.address)));
    let (head, body) = leave();
    assert!(head.starts_with("http/1.1 200"), "{head}{body}");
}

#[test]
fn hosts_whose_keys_are_mixed_up_stand_back() {
    let cluster = Cluster::start();
    let (mut one, mut two) = (cluster.joined(2, "allocator"), cluster.joined(3, "proxy"));
    let key = |host: &Host| host.state.join("host.key");
    let swap = |one: &Host, two: &Host| {
        let (first, second) = (fs::read(key(one)).unwrap(), fs::read(key(two)).unwrap());
        fs::write(key(one), second).unwrap();
        fs::write(key(two), first).unwrap();
    };
    one.stop();
    two.stop();
    swap(&one, &two);
    one.run();
    two.run();
    for host in [&one, &two] {
        let problem = || host.status(&["--json"]).stdout.contains("identity.of_another_host");
        assert!(within(Duration::from_secs(20), problem), "{}", host.status_json());
        assert_eq!(host.status_json()["state"], "refused");
        assert!(within(Duration::from_secs(10), || !cluster.is_connected(&host.address)));
    }
    one.stop();
    two.stop();
    swap(&one, &two);
    one.run();
    two.run();
    one.wait_connected();
    two.wait_connected();
}

#[test]
fn what_a_refused_installation_has_made_is_removed_and_no_cluster_is_missed() {
    let cluster = Cluster::start();
    let token = cluster.create_token(json!({ "persistent": true, "roles": ["allocator"] }));
    let id = token["token_id"].as_str().unwrap();
    let path = format!("/platform/configuration/security/enrollment-tokens/{id}");
    cluster.api("DELETE", &path, None).expect(200);
    let host = cluster.host(2);
    let flags = ["--roles", "allocator", "--force"];
    let text = token["token"].as_str().unwrap();
    cluster.try_install(&host, text, &flags).refused(14, "token.revoked");
    assert!(host.storage.exists() && host.state.exists());
    let told = uninstall(&host).expect(0).stderr;
    assert!(!host.storage.exists() && !host.state.exists(), "{told}");
    assert!(!told.contains("warning") && !told.contains("the cluster"), "{told}");
}
