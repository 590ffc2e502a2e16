//! `ece-agent check`, and what an installation does with the same checks.

use serde_json::Value;

use crate::{
    machine::with_clock,
    support::{Cluster, Finished, agent, skip},
};

fn check(flags: &[&str]) -> Finished {
    // An address of its own: clusters of other tests listen elsewhere.
    let own = ["check", "--host-storage-path", "/tmp/ece-check", "--host-ip", "127.250.0.7"];
    Finished::of(agent(own).args(flags))
}

fn one<'a>(checks: &'a Value, code: &str) -> &'a Value {
    let checks = checks["checks"].as_array().unwrap();
    checks.iter().find(|it| it["code"] == code).unwrap_or_else(|| panic!("{code}: {checks:#?}"))
}

#[test]
fn each_check_says_what_it_found_what_is_needed_and_how_to_get_there() {
    let told = check(&["--json", "--roles", "allocator", "--foreground"]).expect(0).json();
    assert_eq!(told["passed"], true);
    for it in told["checks"].as_array().unwrap() {
        let severity = it["severity"].as_str().unwrap();
        assert!(["ok", "warning"].contains(&severity), "{it}");
        assert!(!it["found"].as_str().unwrap().is_empty(), "{it}");
        assert!(!it["fix"].as_str().unwrap().is_empty(), "{it}");
    }
    for code in ["preflight.memory", "preflight.disk", "preflight.max_map_count", "preflight.swap"]
    {
        one(&told, code);
    }
    let words = check(&["--roles", "allocator", "--foreground"]).expect(0).stdout;
    assert!(words.contains("preflight.memory") && words.contains("MB of memory"), "{words}");
}

#[test]
fn what_fails_ends_with_exit_code_11_and_what_is_skipped_is_not_looked_at() {
    let bad = ["--capacity", "999999999"];
    let told = check(&[&bad[..], &["--json"]].concat()).expect(11).json();
    assert_eq!(told["passed"], false);
    assert_eq!(one(&told, "preflight.capacity")["severity"], "error");
    let skipping = [&bad[..], &["--json", "--skip", "preflight.capacity"]].concat();
    let told = check(&skipping).expect(0).json();
    assert_eq!(one(&told, "preflight.capacity")["severity"], "skipped");
    check(&["--skip", "preflight.moon"]).refused(3, "config.invalid");
}

#[test]
fn a_token_with_which_an_installation_would_fail_fails_a_check() {
    let cluster = Cluster::start();
    let (host, token) = (&cluster.first.address, cluster.token("allocator"));
    let with =
        |roles| ["--json", "--coordinator-host", host, "--roles-token", &token, "--roles", roles];
    let told = check(&with("proxy")).expect(11).json();
    let beyond = one(&told, "token.roles_exceeded");
    assert_eq!(beyond["severity"], "error");
    assert!(beyond["fix"].as_str().unwrap().contains("--roles"), "{beyond}");
    // By the clock of this machine, as the installation goes by it.
    let brief = cluster.create_token(serde_json::json!({
        "persistent": false, "roles": ["allocator"], "validity_in_seconds": 60
    }));
    let brief = brief["token"].as_str().unwrap();
    let mut late =
        agent(["check", "--json", "--coordinator-host", host, "--host-ip", "127.250.0.7"]);
    late.args(["--host-storage-path", "/tmp/ece-check", "--roles", "allocator"]);
    late.args(["--roles-token", brief]);
    let Some(mut late) = with_clock("+2h", late) else {
        return skip(
            "check::a_token_with_which_an_installation_would_fail_fails_a_check",
            "it needs libfaketime",
        );
    };
    let told = Finished::of(&mut late).expect(11).json();
    assert_eq!(one(&told, "token.expired")["severity"], "error");
}

#[test]
fn an_address_of_another_machine_is_refused_unless_it_is_said_that_it_leads_here() {
    let elsewhere = |flags: &[&str]| {
        let own = ["check", "--json", "--host-storage-path", "/tmp/ece-check"];
        let told = Finished::of(agent(own).args(["--host-ip", "192.0.2.7"]).args(flags)).json();
        one(&told, "preflight.route").clone()
    };
    let told = elsewhere(&[]);
    assert_eq!(told["severity"], "error");
    assert!(told["fix"].as_str().unwrap().contains("ip address"), "{told}");
    assert_eq!(elsewhere(&["--skip", "preflight.route"])["severity"], "skipped");
}

#[test]
fn the_way_to_the_coordinator_is_gone_step_by_step_and_its_clock_compared() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator");
    let host = &cluster.first.address;
    let with_token = ["--json", "--roles", "allocator", "--roles-token", &token];
    let told = check(&[&with_token[..], &["--coordinator-host", host]].concat()).expect(0).json();
    assert_eq!(one(&told, "preflight.coordinator")["severity"], "ok");
    let clock = one(&told, "preflight.clock_skew");
    assert_eq!(clock["severity"], "ok");
    assert!(clock["found"].as_str().unwrap().contains(" s "), "{clock}");
    one(&told, "preflight.route");
    let judged = one(&told, "preflight.token");
    assert!(judged["found"].as_str().unwrap().starts_with("it allows allocator"), "{judged}");

    let at = |host: &str, flags: &[&str]| {
        let told = check(&[&with_token[..], flags, &["--coordinator-host", host]].concat());
        let told = told.expect(11).json();
        let reach = one(&told, "preflight.coordinator");
        let found = reach["found"].as_str().unwrap().to_owned();
        (found, reach["cause_code"].as_str().unwrap().to_owned())
    };
    let (found, cause) = at("no.such.name.invalid", &[]);
    assert!(
        found.contains("step 'resolve'") && cause == "coordinator.name_not_resolved",
        "{found}"
    );
    let (found, cause) = at("127.0.0.99", &[]);
    assert!(
        found.contains("step 'connect'") && cause == "coordinator.connection_refused",
        "{found}"
    );
    let (found, cause) = at(&format!("{host}:12400"), &[]);
    assert!(found.contains("step 'tls'") && cause == "coordinator.not_tls", "{found}");
    let (found, cause) = at(&format!("{host}:12443"), &[]);
    assert!(found.contains("step 'http'") && cause == "coordinator.protocol", "{found}");
    let other = Cluster::start();
    let (found, cause) = at(&other.first.address, &[]);
    assert!(found.contains("step 'trust'") && cause == "trust.pin_mismatch", "{found}");
}

#[test]
fn what_was_overridden_is_shown_in_the_api_and_warnings_stop_nothing() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator");
    let host = cluster.host(2);
    let flags = ["--roles", "allocator", "--skip", "preflight.memory,preflight.swap", "--no-wait"];
    let told = cluster.try_install(&host, &token, &flags).expect(0).stderr;
    assert!(told.contains("its daemon is starting"), "{told}");
    host.wait_connected();
    let overridden = cluster.runner(&host.address)["joined"]["overridden_checks"].clone();
    assert_eq!(overridden, serde_json::json!(["preflight.memory", "preflight.swap"]));
    host.stop_background();
}

#[test]
fn a_tag_named_like_a_field_is_warned_of_before_and_after_the_host_is_a_member() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator,proxy");
    let mut host = cluster.host(2);
    let tags =
        ["--roles", "allocator,proxy", "--allocator-tags", "Zone:a,rack:7", "--proxy-tags", "ip:b"];
    let told = cluster.try_install(&host, &token, &[&tags[..], &["--dry-run"]].concat()).expect(0);
    let told = format!("{}{}", told.stdout, told.stderr);
    assert!(told.contains("preflight.tags") && told.contains("Zone, ip"), "{told}");
    cluster.install(&mut host, &token, &tags);
    host.wait_connected();
    let problems = || cluster.runner(&host.address)["problems"].clone();
    assert_eq!(problems()[0]["code"], "preflight.tags");
    assert_eq!(cluster.runner(&cluster.first.address)["problems"], serde_json::json!([]));
    let state = cluster.first.state.to_str().unwrap();
    let host = || &host.address;
    let label = |label: &str| {
        let mut command = agent(["host", "label", host(), label, "--state-dir", state]);
        Finished::of(&mut command).expect(0).stderr
    };
    assert!(label("Zone-").is_empty());
    let told = label("healthy=no");
    assert!(told.contains("healthy") && told.contains("preflight.tags"), "{told}");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let cluster = Cluster::start();
    let token = cluster.token("proxy");
    let host = cluster.host(2);
    let told = cluster.try_install(&host, &token, &["--roles", "proxy", "--dry-run"]).expect(0);
    assert!(told.stdout.contains("would join the cluster with the role proxy"), "{told:?}");
    assert!(!host.state.exists() && !host.storage.exists());
    let runners = cluster.api("GET", "/platform/infrastructure/runners", None).json();
    assert_eq!(runners["runners"].as_array().unwrap().len(), 1);
    let asked_too_much = ["--roles", "allocator", "--dry-run"];
    cluster.try_install(&host, &token, &asked_too_much).refused(10, "token.roles_exceeded");
}

#[test]
fn a_join_waits_for_a_coordinator_that_is_not_up_yet_as_long_as_it_is_told_to() {
    let mut cluster = Cluster::start();
    let token = cluster.token("");
    cluster.first.stop();
    let host = cluster.host(2);
    let wait = ["--wait-for-coordinator", "1"];
    cluster.try_install(&host, &token, &wait).refused(12, "coordinator.connection_refused");
    let mut waiting = host.install_command(&["--json", "--wait-for-coordinator", "60"]);
    waiting.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
    let waiting = waiting.stdout(std::process::Stdio::piped()).spawn().unwrap();
    cluster.first.run();
    let ended = waiting.wait_with_output().unwrap();
    let events = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{events}");
    assert!(cluster.is_connected(&host.address));
    host.stop_background();
}
