//! Metrics, and what is made of them.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Reply, skip, within};

fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn promtool(arguments: &[&str], input: &str) -> Option<Finished> {
    let mut command = Command::new("promtool");
    command.args(arguments);
    let there = Command::new("promtool").arg("--version").output().is_ok();
    there.then(|| Finished::with_input(&mut command, input))
}

#[test]
fn the_coordinator_counts_joins_hosts_requests_and_commits_on_a_listener_of_their_own() {
    let cluster = Cluster::start();
    let _host = cluster.joined(2, "allocator");
    let token = cluster.token("proxy");
    cluster.try_install(&cluster.host(3), &token, &["--force", "--runner-id", &_host.address]);
    let ask = |path: &str| {
        let url = format!("http://{}:12346{path}", cluster.first.address);
        Reply::to(&[&url])
    };
    assert_eq!(ask("/livez").status, 200);
    assert_eq!(ask("/readyz").status, 200);
    let metrics = ask("/metrics").body;
    for line in [
        "ece_agent_joins_total{outcome=\"ok\"} 1",
        "ece_agent_joins_total{outcome=\"join.runner_id_taken\"} 1",
        "ece_agent_hosts{role=\"allocator\",zone=\"ece-zone-1\",connected=\"true\"} 2",
        "ece_agent_host_sessions 2",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
    for name in [
        "ece_agent_http_request_seconds_bucket{method=\"POST\",status=\"200\"",
        "ece_agent_store_commit_seconds_count",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    let test = "monitoring::the_coordinator_counts_joins_hosts_requests_and_commits_on_a_listener_of_their_own";
    match promtool(&["check", "metrics"], &metrics) {
        Some(checked) => assert_eq!(checked.code, 0, "{checked:?}"),
        None => skip(test, "its second half needs promtool"),
    }
}

#[test]
fn rules_and_dashboard_are_what_prometheus_understands() {
    let test = "monitoring::rules_and_dashboard_are_what_prometheus_understands";
    let dashboard = std::fs::read_to_string(repository("monitoring/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules: Vec<Value> = expressions
        .enumerate()
        .map(|(at, it)| json!({ "record": format!("panel:{at}"), "expr": it["expr"] }))
        .collect();
    assert!(rules.len() >= 8);
    // What is true of a rule is true of a panel's query; JSON is YAML.
    let as_rules = json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), as_rules).unwrap();
    for rules in [repository("monitoring/alerts.yml"), file.path().display().to_string()] {
        match promtool(&["check", "rules", &rules], "") {
            Some(checked) => assert_eq!(checked.code, 0, "{checked:?}"),
            None => return skip(test, "it needs promtool"),
        }
    }
}

#[test]
fn a_client_that_asks_too_often_is_held_back_and_others_do_not_feel_it() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "");
    let url = cluster.url("/users/auth/methods");
    // Many requests at once, until they are too many: a slow machine takes longer to send them.
    let mut flood = Command::new("curl");
    flood.args(["-sk", "--parallel", "-w", "%{http_code} %header{retry-after}\\n"]);
    for _ in 0..1500 {
        flood.args(["-o", "/dev/null", &url]);
    }
    let mut passed = 0;
    let held_back = within(Duration::from_secs(60), || {
        let codes = Finished::of(&mut flood).stdout;
        passed += codes.lines().filter(|line| line.starts_with("200")).count();
        codes.lines().any(|line| line == "429 1")
    });
    assert!(held_back, "nobody was held back");
    assert!(passed >= 500, "{passed}");
    Reply::to(&["--interface", "127.0.0.9", &url]).expect(200);
    assert!(cluster.is_connected(&host.address));
}
