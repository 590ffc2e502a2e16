//! A host joins: what is checked first, what is told, and what comes of it.

use std::{fs, net::TcpListener, time::Instant};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, agent};

const EXPIRED_2017: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0Njk3N2I3ZC1hM2U2LTQ2MDUtYjcwZC0xNzIzMTI5YWY4ZTQiLCJyb2xlcyI6WyJwcm94eSIsImFsbG9jYXRvciJdLCJpc3MiOiJib290c3RyYXAtaW5pdGlhbCIsImV4cCI6MTQ5MzY0NjIxM30.xsaRb72CsNMuXKy6Y-PJgqLc0qmjCljlB4Smcx_MRxg";
const WITHOUT_PIN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3YTRkYjVhMC1kMDViLTQzZjctODRhMy1jZGRiODFmNTI1NGYiLCJyb2xlcyI6WyJhbGxvY2F0b3IiXSwiaXNzIjoiY3VycmVudCIsInBlcnNpc3RlbnQiOnRydWV9.L4jb_2U26IjvxLtVjlYYAjCZDrokd14o9dFOb--9wlQ";

#[test]
fn the_host_shows_up_as_an_allocator_with_its_capacity() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let allocator = cluster.allocator(&host.address).unwrap();
    assert_eq!(allocator["host_ip"], host.address);
    assert_eq!(allocator["public_hostname"], host.address);
    assert_eq!(allocator["instances"], json!([]));
    assert_eq!(allocator["status"]["connected"], true);
    assert_eq!(allocator["status"]["healthy"], true);
    assert_eq!(allocator["capacity"]["memory"]["used"], 0);
    assert!(allocator["capacity"]["memory"]["total"].as_i64().unwrap() > 0);
    assert!(allocator["capacity"]["storage"]["total"].as_i64().unwrap() > 0);
    let joined = &cluster.runner(&host.address)["joined"];
    assert_eq!(joined["source_address"], "127.0.0.1");
    assert!(joined["token_id"].is_string());
}

#[test]
fn the_token_can_come_from_a_file_from_stdin_or_in_one_argument() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator");
    let join = |number: u8| {
        let host = cluster.host(number);
        let command =
            host.install_command(&["--force", "--coordinator-host", &cluster.first.address]);
        (host, command)
    };
    let (host, mut command) = join(2);
    let file = host.state.with_extension("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    Finished::of(command.arg("--roles-token-file").arg(&file)).expect(0);
    assert!(cluster.is_connected(&host.address));

    let (host, mut command) = join(3);
    Finished::with_input(command.args(["--roles-token-file", "-"]), &token).expect(0);
    assert!(cluster.is_connected(&host.address));

    let (host, mut command) = join(4);
    Finished::of(command.arg(format!("--roles-token={token}"))).expect(0);
    assert!(cluster.is_connected(&host.address));
}

#[test]
fn with_a_token_alone_the_addresses_come_from_the_token() {
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    host.install(&["--roles-token", &cluster.token("allocator"), "--roles", "allocator"]);
    host.wait_connected();
    assert!(cluster.is_connected(&host.address));
}

#[test]
fn of_several_coordinators_those_that_do_not_answer_are_passed_over() {
    let cluster = Cluster::start();
    let token = cluster.token("");
    let dead = cluster.host(99).address.clone();
    let with_port = format!("{}:12343", cluster.first.address);
    for (number, hosts) in [
        (2, vec!["--coordinator-host", &dead, "--coordinator-host", &cluster.first.address]),
        (3, vec!["--coordinator-host", &with_port]),
    ] {
        let mut host = cluster.host(number);
        let mut flags = vec!["--roles-token", &token];
        flags.extend(hosts);
        host.install(&flags);
        host.wait_connected();
    }
}

#[test]
fn external_hostname_puts_a_name_into_certificate_and_tokens() {
    let named = Cluster::start_with(&["--external-hostname", "coordinator.test"]);
    let shown = Finished::of(&mut agent(["token", "inspect", "--json", &named.token("")]));
    let coordinators = shown.json()["coordinators"].clone();
    assert_eq!(coordinators[1], "coordinator.test:12343");
    let state = named.first.state.to_str().unwrap();
    let pem = Finished::of(&mut agent(["ca", "show", "--pem", "--state-dir", state])).stdout;
    let file = named.first.state.with_extension("pem");
    fs::write(&file, pem).unwrap();
    let verified = std::process::Command::new("curl")
        .args(["-s", "--cacert", file.to_str().unwrap(), "--resolve"])
        .arg(format!("coordinator.test:12443:{}", named.first.address))
        .arg("https://coordinator.test:12443/api/v1/openapi.json")
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_cluster_on_ipv6_is_joined_by_its_address() {
    let mut cluster = Cluster::prepare();
    cluster.first.address = "::1".into();
    let cluster = cluster.boot(&[]);
    let state = cluster.first.state.to_str().unwrap();
    let made = Finished::of(&mut agent(["token", "create", "--json", "--state-dir", state])).json();
    let token = made["token"].as_str().unwrap();
    for (name, address) in [("a", "::1"), ("b", "[::1]"), ("c", "[::1]:12343")] {
        let number = name.as_bytes()[0];
        let mut host = cluster.host(number);
        host.install(&["--runner-id", name, "--coordinator-host", address, "--roles-token", token]);
        host.wait_connected();
        assert_eq!(host.status_json()["runner_id"], name);
    }
}

#[test]
fn what_is_wrong_with_a_token_is_found_before_anything_is_sent() {
    let cluster = Cluster::prepare();
    let host = cluster.host(2);
    let listener = TcpListener::bind((cluster.first.address.as_str(), 12343)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let join = |token: &str, flags: &[&str]| cluster.try_install(&host, token, flags);
    join(EXPIRED_2017, &["--roles", "allocator"]).refused(10, "token.expired");
    join("nonsense", &[]).refused(10, "token.malformed");
    let beyond = join(WITHOUT_PIN, &["--roles", "allocator, proxy,director"]);
    let beyond = beyond.refused(10, "token.roles_exceeded");
    assert!(beyond.stderr.contains("does not allow director,proxy"), "{}", beyond.stderr);
    join(WITHOUT_PIN, &["--roles", "allocator"]).refused(13, "trust.no_pin");
    join(WITHOUT_PIN, &["--roles", "alocator"]).refused(3, "config.invalid");
    join(WITHOUT_PIN, &["--runner-id", "a/b"]).refused(3, "config.invalid");
    assert!(listener.accept().is_err(), "something was sent");
}

#[test]
fn a_pin_can_be_given_beside_a_token_that_has_none() {
    let cluster = Cluster::start();
    let host = cluster.host(2);
    let pin = format!("sha256:{}", "0".repeat(64));
    cluster
        .try_install(&host, WITHOUT_PIN, &["--ca-fingerprint", &pin])
        .refused(13, "trust.pin_mismatch");
    let state = cluster.first.state.to_str().unwrap();
    let shown = Finished::of(&mut agent(["ca", "show", "--json", "--state-dir", state])).json();
    let pin = shown["fingerprints"][0].as_str().unwrap();
    // Trusted now, and it is another cluster's token.
    cluster
        .try_install(&host, WITHOUT_PIN, &["--ca-fingerprint", pin])
        .refused(14, "token.invalid");
    let file = host.state.with_extension("pem");
    fs::write(&file, shown["certificate"].as_str().unwrap()).unwrap();
    cluster
        .try_install(&host, WITHOUT_PIN, &["--ca-cert", file.to_str().unwrap()])
        .refused(14, "token.invalid");
}

#[test]
fn another_clusters_token_is_refused() {
    let (ours, theirs) = (Cluster::start(), Cluster::start());
    ours.try_install(&ours.host(2), &theirs.token(""), &[]).refused(13, "trust.pin_mismatch");
}

#[test]
fn a_host_that_cannot_be_reached_is_told_apart_from_one_that_hangs() {
    let cluster = Cluster::start();
    let token = cluster.token("");
    cluster.first.signal("STOP");
    let started = Instant::now();
    let hung = cluster.try_install(&cluster.host(2), &token, &["--timeout", "1"]);
    cluster.first.signal("CONT");
    hung.refused(12, "coordinator.timeout");
    assert!(started.elapsed().as_secs() < 4);
    let host = cluster.host(3);
    let mut command = host.install_command(&["--coordinator-host", "no-such-host.invalid"]);
    Finished::of(command.args(["--roles-token", &token]))
        .refused(12, "coordinator.name_not_resolved");
    let mut command = host.install_command(&["--coordinator-host", &cluster.host(98).address]);
    Finished::of(command.args(["--roles-token", &token]))
        .refused(12, "coordinator.connection_refused");
    let http = format!("{}:12400", cluster.first.address);
    let mut command = host.install_command(&["--coordinator-host", &http]);
    Finished::of(command.args(["--roles-token", &token])).refused(12, "coordinator.not_tls");
}

#[test]
fn each_step_says_how_long_it_took_in_lines_and_in_events() {
    let cluster = Cluster::start();
    let token = cluster.token("");
    let host = cluster.host(2);
    let told = cluster.try_install(&host, &token, &["--force"]).expect(0).stderr;
    for step in ["validate", "preflight", "key", "enrol", "daemon", "connected"] {
        let line = told.lines().find(|line| line.starts_with(step));
        assert!(line.is_some_and(|line| line.contains(" ms ")), "{step} in {told}");
    }
    let host = cluster.host(3);
    let events = cluster.try_install(&host, &token, &["--force", "--json"]).expect(0).events();
    let finished: Vec<&Value> =
        events.iter().filter(|event| event["state"] == "finished").collect();
    assert_eq!(finished.len(), 6, "{events:?}");
    assert!(finished.iter().all(|event| event["ms"].is_u64()));
    let done = events.last().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!(done["runner_id"], host.address);
    assert_eq!(done["already_installed"], false);
}

#[test]
fn roles_that_only_the_first_host_can_hold_are_refused_with_their_own_code() {
    let cluster = Cluster::start();
    let token = cluster.secret("emergency_all_roles_except_allocator_token");
    for roles in ["coordinator", "director", "proxy,director"] {
        cluster
            .try_install(&cluster.host(2), &token, &["--roles", roles])
            .refused(14, "join.role_not_available");
    }
    cluster.try_install(&cluster.host(2), &token, &["--force", "--roles", "proxy"]).expect(0);
}

#[test]
fn all_mistakes_are_told_at_once_and_end_with_exit_code_3() {
    let host = Cluster::prepare();
    let mut command =
        agent(["install", "--capacity", "lots", "--runner-id", "a b", "--host-ip", "x"]);
    let told = Finished::of(command.arg("--state-dir").arg(&host.first.state));
    let told = told.refused(3, "config.invalid").stderr;
    for flag in ["--capacity", "--runner-id", "--host-ip"] {
        assert!(told.contains(flag), "{flag} in {told}");
    }
    Finished::of(&mut agent(["install", "--no-such-flag"])).expect(3);
    Finished::of(&mut agent(["install", "--coordinator-host", "a"])).refused(3, "token.missing");
    Finished::of(&mut agent(["install", "--roles-token-file", "/no/such/file"]))
        .refused(3, "token.unreadable");
}
