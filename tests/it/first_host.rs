//! `ece-agent install` with neither a coordinator nor a token.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Reply, agent, some_moment, within};

#[test]
fn it_leaves_the_secrets_file_that_automation_reads() {
    let cluster = Cluster::start();
    let file = cluster.secrets_file();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secrets: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(secrets.as_object().unwrap().len(), 5);
    for (name, roles) in [
        ("bootstrap_runner_roles_token", json!([])),
        ("allocator_only_token", json!(["allocator"])),
        ("emergency_all_roles_except_allocator_token", json!(["coordinator", "director", "proxy"])),
    ] {
        let token = cluster.secret(name);
        let inspected = Finished::of(&mut agent(["token", "inspect", "--json", &token])).json();
        assert_eq!(inspected["roles"], roles, "{name}");
        assert_eq!(inspected["persistent"], true, "{name}");
    }
    for user in [cluster.admin(), cluster.readonly()] {
        cluster.api_as(&user, "GET", "/platform/infrastructure/runners", None).expect(200);
    }
}

/// Whether the log of setting up ends with the line of success.
fn log_has_ended(cluster: &Cluster) -> bool {
    let log = cluster.first.storage.join("logs/bootstrap-logs/bootstrap.log");
    let text = fs::read_to_string(log).unwrap();
    let end = "[no.found.util.LogApplicationExit$] Application is exiting {}";
    text.lines().last().is_some_and(|last| last.contains(end))
}

#[test]
fn when_the_command_ends_its_log_ends_with_the_line_that_automation_waits_for() {
    let cluster = Cluster::prepare();
    Finished::of(&mut cluster.first.install_command(&["--force"])).expect(0);
    assert!(log_has_ended(&cluster));
    cluster.first.stop_background();
}

#[test]
fn in_the_foreground_the_line_that_automation_waits_for_comes_when_the_host_is_connected() {
    let cluster = Cluster::start();
    assert!(within(Duration::from_secs(10), || log_has_ended(&cluster)));
}

#[test]
fn its_log_begins_anew_before_anything_can_fail_and_keeps_what_was_there() {
    const SUCCESS: &str = "Application is exiting {}";
    let cluster = Cluster::start();
    let dir = cluster.first.storage.join("logs/bootstrap-logs");
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
    assert!(within(Duration::from_secs(10), || read("bootstrap.log").contains(SUCCESS)));
    let first_log = read("bootstrap.log");
    assert!(read("bootstrap.log.1").is_empty());
    // Whatever it fails of: the old success is not there to be taken for a new one.
    let failing: [(&[&str], i32); 4] = [
        (&["--no-such-flag"], 3),
        (&["--capacity", "a lot"], 3),
        (&["--config-file", "/no/such/file"], 3),
        (&["--runner-id", "another"], 3),
    ];
    for (flags, code) in failing {
        Finished::of(&mut cluster.first.install_command(&[])).expect(0);
        assert!(read("bootstrap.log").contains(SUCCESS));
        Finished::of(&mut cluster.first.install_command(flags)).expect(code);
        let log = read("bootstrap.log");
        assert!(log.contains("[ERROR]") && !log.contains(SUCCESS), "{flags:?}: {log}");
        assert!(read("bootstrap.log.1").starts_with(&first_log), "{}", read("bootstrap.log.1"));
    }
    // What only looks changes nothing, and a host that is a member says its success anew.
    let failed = read("bootstrap.log");
    Finished::of(&mut cluster.first.install_command(&["--dry-run"]));
    assert_eq!(read("bootstrap.log"), failed);
    Finished::of(&mut cluster.first.install_command(&[])).expect(0);
    assert!(read("bootstrap.log").contains(SUCCESS));
    let kept = read("bootstrap.log.1");
    assert!(kept.starts_with(&first_log) && kept.ends_with(&failed), "{kept}");
}

#[test]
fn it_has_all_four_roles_and_roles_narrows_them() {
    let cluster = Cluster::start();
    let roles = |cluster: &Cluster| cluster.runner(&cluster.first.address)["roles"].clone();
    let named = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({ "role_name": name })).collect()
    };
    assert_eq!(roles(&cluster), named(&["allocator", "coordinator", "director", "proxy"]));
    let narrow = Cluster::start_with(&["--roles", "coordinator, director"]);
    assert_eq!(roles(&narrow), named(&["coordinator", "director"]));
    assert!(narrow.allocators().is_empty());
}

#[test]
fn a_first_host_without_the_coordinator_role_is_refused() {
    let host = Cluster::prepare();
    let finished = Finished::of(&mut host.first.install_command(&["--roles", "allocator"]));
    finished.refused(3, "install.coordinator_required");
}

#[test]
fn port_12400_redirects_to_the_api() {
    let cluster = Cluster::start();
    let url = format!("http://{}:12400/api/v1/platform?x=1", cluster.first.address);
    let reply = Reply::to(&[&url]);
    assert_eq!(reply.status, 308);
    let target = format!("https://{}:12443/api/v1/platform?x=1", cluster.first.address);
    assert_eq!(reply.headers["location"], target);
    assert_eq!(reply.headers["x-request-id"].len(), 36);
    let all = Reply::to(&["-X", "OPTIONS", "--request-target", "*", &url]);
    assert_eq!(all.headers["location"], format!("https://{}:12443/", cluster.first.address));
}

#[test]
fn who_asks_how_large_the_program_is_gets_no_more_than_that() {
    let cluster = Cluster::start();
    let url = format!("https://{}:12443/downloads/ece-agent", cluster.first.address);
    let head = Reply::to(&["-I", &url]);
    let size = std::fs::metadata(crate::support::agent_path()).unwrap().len();
    assert_eq!((head.status, &head.headers["content-length"]), (200, &size.to_string()));
}

#[test]
fn a_taken_port_is_named_with_the_process_that_has_it() {
    let host = Cluster::prepare();
    let _taken = std::net::TcpListener::bind((host.first.address.as_str(), 12400)).unwrap();
    let finished = Finished::of(&mut host.first.install_command(&[]));
    let finished = finished.refused(11, "preflight.port_in_use");
    assert!(finished.stderr.contains(&format!("{}:12400", host.first.address)));
    let holder = format!("(process {})", std::process::id());
    assert!(finished.stderr.contains(&holder), "{finished:?}");
}

#[test]
fn killed_anywhere_the_same_command_finishes_the_same_cluster() {
    let mut host = Cluster::prepare();
    let mut seen = None;
    for round in 0..20 {
        host.first.install(&[]);
        some_moment(round, 0..120);
        host.first.kill();
        if let Ok(secrets) = fs::read_to_string(host.secrets_file()) {
            let before = seen.get_or_insert_with(|| secrets.clone());
            assert_eq!(*before, secrets, "the operator's secrets changed");
        }
    }
    let mut cluster = host.boot(&[]);
    if let Some(secrets) = seen {
        assert_eq!(secrets, fs::read_to_string(cluster.secrets_file()).unwrap());
    }
    assert!(cluster.is_connected(&cluster.first.address));
    let _host = cluster.joined(2, "allocator");
    assert_eq!(cluster.first.stop(), Some(0));
}

#[test]
fn in_the_background_it_outlives_the_command_and_stop_ends_it() {
    let cluster = Cluster::prepare();
    let finished = Finished::of(&mut cluster.first.install_command(&["--json", "--force"]));
    let events = finished.expect(0).events();
    let done = events.last().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!(done["connected"], true);
    assert_eq!(done["secrets_file"], cluster.secrets_file().to_str().unwrap());
    assert!(cluster.is_connected(&cluster.first.address));
    cluster.first.stop_background();
    assert!(within(Duration::from_secs(1), || { cluster.first.status(&[]).code == 1 }));
    cluster.first.status(&[]).refused(1, "daemon.not_running");
}

#[test]
fn elsewhere_than_on_a_terminal_secrets_are_not_printed() {
    let cluster = Cluster::start();
    let names_the_file = || cluster.first.log().contains("bootstrap-secrets.json");
    assert!(within(Duration::from_secs(10), names_the_file));
    let log = cluster.first.log();
    for name in ["adminconsole_root_password", "allocator_only_token"] {
        assert!(!log.contains(&cluster.secret(name)), "{name} is in {log}");
    }
}

#[test]
fn the_quick_start_ends_at_once_with_the_one_error_that_matters() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 12343));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/quickstart");
    let mut command = std::process::Command::new(script);
    let told = Finished::of(command.arg("--once")).expect(1).stderr;
    let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{told}");
    assert!(errors[0].contains("127.0.0.1:12343") && errors[0].contains("port_in_use"), "{told}");
    drop(taken);
}
