//! Where a token and the passwords do not show up, and who did what.

use std::{fs, path::Path, process::Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Cluster, Finished, agent, skip};

#[test]
fn a_token_given_as_an_argument_is_not_in_the_argv_of_anything_that_stays() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator");
    let host = cluster.joined(2, "allocator");
    let argv = fs::read(format!("/proc/{}/cmdline", host.pid())).unwrap();
    let argv = String::from_utf8_lossy(&argv).replace('\0', " ");
    assert!(argv.contains("--roles-token-file=/proc/self/fd/"), "{argv}");
    assert!(!argv.contains("eyJ"), "{argv}");

    for process in fs::read_dir("/proc").unwrap() {
        let Ok(argv) = fs::read(process.unwrap().path().join("cmdline")) else { continue };
        let found = argv.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!found, "{}", String::from_utf8_lossy(&argv));
    }
}

/// What a process has open that another could read a secret from.
fn memory_files(pid: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = open.filter_map(|it| fs::read_link(it.unwrap().path()).ok());
    let targets = targets.map(|target| target.display().to_string());
    targets.filter(|target| target.contains("memfd")).collect()
}

#[test]
fn no_daemon_keeps_an_open_file_with_the_token_that_it_was_given_as_an_argument() {
    let cluster = Cluster::start();
    let foreground = cluster.joined(2, "allocator");
    assert_eq!(memory_files(foreground.pid()), Vec::<String>::new());

    let token = cluster.token("allocator");
    let behind = cluster.host(3);
    cluster.try_install(&behind, &token, &["--force", "--roles", "allocator"]).expect(0);
    let pid = behind.status_json()["pid"].as_u64().unwrap() as u32;
    let left = memory_files(pid);
    behind.stop_background();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn neither_logs_nor_state_hold_the_token() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator");
    let mut host = cluster.host(2);
    cluster.install(&mut host, &token, &["--roles", "allocator"]);
    host.wait_connected();
    let refused = cluster.try_install(&cluster.host(3), &token, &["--roles", "proxy"]);
    assert!(!refused.stderr.contains(&token));
    for dir in [&host.state, &host.storage, &cluster.first.state] {
        look_for(&token, dir);
    }
    for log in [host.log(), cluster.first.log()] {
        assert!(!log.contains(&token));
    }
}

fn look_for(secret: &str, dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_for(secret, &path);
        } else if let Ok(bytes) = fs::read(&path) {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "it is in {}", path.display());
        }
    }
}

#[test]
fn every_change_has_its_audit_record_with_who_and_from_where() {
    let mut cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let roles = serde_json::json!({ "roles": [] });
    let path = format!("/platform/infrastructure/runners/{}/roles", host.address);
    let request_id =
        cluster.api("PUT", &path, Some(roles)).expect(200).headers["x-request-id"].clone();
    cluster.first.stop();

    let store = Connection::open(cluster.first.state.join("coordinator/store.db")).unwrap();
    let mut query = store.prepare("SELECT value FROM record WHERE path LIKE '/audit/%'").unwrap();
    let records: Vec<Value> = query
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .map(|value| serde_json::from_slice(&value.unwrap()).unwrap())
        .collect();
    let of = |action: &str| {
        let found: Vec<&Value> =
            records.iter().filter(|record| record["action"] == action).collect();
        assert_eq!(found.len(), 1, "{action} in {records:#?}");
        found[0].clone()
    };
    assert_eq!(of("cluster.create")["actor"]["kind"], "bootstrap");
    let token = of("token.create");
    assert_eq!(token["actor"]["name"], "admin");
    assert_eq!(token["source_address"], "127.0.0.1");
    let join = of("host.join");
    assert_eq!(join["actor"]["name"], host.address);
    assert_eq!(join["after"]["token_id"], token["subject"]);
    let changed = of("host.roles");
    assert_eq!(changed["request_id"], request_id);
    assert_eq!(changed["before"]["roles"], serde_json::json!(["allocator"]));
    assert_eq!(changed["after"]["roles"], serde_json::json!([]));
}

#[test]
fn the_keys_of_the_cluster_are_sealed_in_the_store() {
    let mut cluster = Cluster::start();
    cluster.first.stop();
    let dir = cluster.first.state.join("coordinator");
    let store = Connection::open(dir.join("store.db")).unwrap();
    let record: Vec<u8> = store
        .query_row("SELECT value FROM record WHERE path = '/cluster'", [], |row| row.get(0))
        .unwrap();
    assert!(!String::from_utf8_lossy(&record).contains("PRIVATE KEY"));
    // Without the master key the store is of no use, and that is said.
    fs::write(dir.join("master.key"), "0".repeat(64)).unwrap();
    let mut run = agent(["run", "--state-dir"]);
    Finished::of(run.arg(&cluster.first.state)).refused(14, "coordinator.key_damaged");
}

/// What must not show up anywhere but in the file that the operator gave and the secrets file.
#[test]
fn secrets_are_in_neither_environ_nor_output_nor_logs_at_trace_level() {
    let mut cluster = Cluster::start();
    let token = cluster.token("allocator");
    let canaries = [
        token.clone(),
        cluster.secret("adminconsole_root_password"),
        cluster.secret("adminconsole_readonly_password"),
        fs::read_to_string(cluster.first.state.join("coordinator/master.key")).unwrap(),
    ];
    let trace = [("ECE_AGENT_LOG", "trace")];
    cluster.first.stop();
    cluster.first.run_with(&trace);
    cluster.first.wait_connected();
    let mut host = cluster.host(2);
    let mut install = host.install_command(&["--force", "--json", "--roles", "allocator"]);
    install.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
    let told = Finished::of(install.envs(trace)).expect(0);
    host.stop_background();
    host.run_with(&trace);
    host.wait_connected();
    cluster
        .api("DELETE", &format!("/platform/configuration/security/enrollment-tokens/{token}"), None)
        .expect(200);
    Finished::of(&mut agent(["token", "inspect", &token[..token.len() - 1]])).expect(10);
    let environ = |pid: u32| {
        String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default())
            .into_owned()
    };
    let log = fs::read_to_string(host.state.join("agent.log")).unwrap();
    let texts = [
        told.stdout,
        told.stderr,
        host.log(),
        log,
        cluster.first.log(),
        environ(host.pid()),
        environ(cluster.first.pid()),
    ];
    assert!(cluster.first.log().contains("DEBUG"), "the log is not at trace level");
    for canary in &canaries {
        for text in &texts {
            assert!(!text.contains(canary.trim()), "{text}");
        }
    }
}

#[test]
fn the_daemon_leaves_no_core_dump() {
    use std::os::unix::process::ExitStatusExt;
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "");
    host.stop();
    let dir = host.state.parent().unwrap();
    let dumps = |command: &str| {
        let script = format!("ulimit -c unlimited && cd {} && {command}", dir.display());
        std::process::Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    };
    if !dumps("kill -ABRT $$").wait().unwrap().core_dumped() {
        return skip("secrets::the_daemon_leaves_no_core_dump", "nothing leaves core dumps here");
    }
    let agent = crate::support::agent_path().display();
    let mut daemon =
        dumps(&format!("exec {agent} run --state-dir {} 2>/dev/null", host.state.display()));
    host.wait_connected();
    let pid = daemon.id().to_string();
    std::process::Command::new("kill").args(["-ABRT", &pid]).status().unwrap();
    let ended = daemon.wait().unwrap();
    assert_eq!(ended.signal(), Some(6));
    assert!(!ended.core_dumped());
}
