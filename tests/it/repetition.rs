//! The same install again ends in the same state.

use serde_json::json;

use crate::support::{Cluster, Finished, some_moment};

#[test]
fn with_the_daemon_running_it_says_that_all_is_well() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator");
    let mut host = cluster.host(2);
    cluster.install(&mut host, &token, &["--roles", "allocator"]);
    host.wait_connected();
    let told = cluster.try_install(&host, &token, &["--roles", "allocator"]).expect(0).stderr;
    assert!(told.contains("all is well"), "{told}");
    let events = cluster.try_install(&host, &token, &["--roles", "allocator", "--json"]).events();
    assert_eq!(events.last().unwrap()["already_installed"], true);
    Finished::of(&mut cluster.first.install_command(&[])).expect(0);
}

#[test]
fn killed_anywhere_the_same_command_ends_joined_and_counts_one_use() {
    let cluster = Cluster::start();
    let token = cluster.create_token(json!({ "persistent": false, "max_uses": 1 }));
    let token = token["token"].as_str().unwrap();
    let mut host = cluster.host(2);
    for round in 0..15 {
        cluster.install(&mut host, token, &[]);
        some_moment(round, 0..90);
        host.kill();
    }
    cluster.install(&mut host, token, &[]);
    host.wait_connected();
    assert!(cluster.is_connected(&host.address));
    cluster.try_install(&cluster.host(3), token, &[]).refused(14, "token.used_up");
}

#[test]
fn after_a_lost_reply_the_answer_is_waiting_though_the_token_is_revoked() {
    let cluster = Cluster::start();
    let made = cluster.create_token(json!({ "persistent": true }));
    let token = made["token"].as_str().unwrap();
    let mut host = cluster.host(2);
    cluster.install(&mut host, token, &[]);
    host.wait_connected();
    host.kill();
    // As if the process had died before the answer came.
    std::fs::remove_file(host.state.join("identity.json")).unwrap();
    let journal = host.state.join("install.json");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replace("\"enrolled\"", "\"enrolment_sent\"")).unwrap();
    let id = made["token_id"].as_str().unwrap();
    let path = format!("/platform/configuration/security/enrollment-tokens/{id}");
    cluster.api("DELETE", &path, None).expect(200);
    cluster.install(&mut host, token, &[]);
    host.wait_connected();
    assert!(cluster.is_connected(&host.address));
}

#[test]
fn other_roles_and_another_runner_id_are_refused() {
    let cluster = Cluster::start();
    let token = cluster.token("allocator,proxy");
    let mut host = cluster.host(2);
    cluster.install(&mut host, &token, &["--roles", "allocator"]);
    host.wait_connected();
    let other_roles = ["--roles", "proxy"];
    let other_name = ["--roles", "allocator", "--runner-id", "other"];
    for running in [true, false] {
        if !running {
            host.stop();
        }
        cluster.try_install(&host, &token, &other_roles).refused(14, "join.roles_differ");
        cluster.try_install(&host, &token, &other_name).refused(3, "install.runner_id_differs");
    }
    // Without its own memory of it, the coordinator's counts.
    std::fs::remove_file(host.state.join("identity.json")).unwrap();
    for (flags, code) in
        [(other_roles.as_slice(), "join.roles_differ"), (&other_name, "join.key_in_use")]
    {
        std::fs::remove_file(host.state.join("install.json")).unwrap();
        cluster.try_install(&host, &token, flags).refused(14, code);
    }
}

#[test]
fn another_key_under_a_known_runner_id_is_refused_and_both_are_named() {
    let cluster = Cluster::start();
    let token = cluster.token("");
    let mut host = cluster.host(2);
    cluster.install(&mut host, &token, &["--runner-id", "the-host"]);
    host.wait_connected();
    let other = cluster.host(3);
    let told = cluster
        .try_install(&other, &token, &["--runner-id", "the-host"])
        .refused(14, "join.runner_id_taken")
        .stderr;
    assert!(told.contains(&host.address) && told.contains(&other.address), "{told}");
    assert_eq!(told.matches("the key sha256:").count(), 2, "{told}");
    // The refusal leaves nothing behind that another name would trip over.
    cluster.try_install(&other, &token, &["--force"]).expect(0);
    assert!(cluster.is_connected(&other.address));
    other.stop_background();
}

#[test]
fn an_identity_that_cannot_be_read_is_an_error_and_not_a_new_identity() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "");
    host.stop();
    let identity = host.state.join("identity.json");
    let content = fs::read(&identity).unwrap();
    let try_again = || cluster.try_install(&host, &cluster.token(""), &["--force"]);
    fs::write(&identity, &content[..content.len() / 2]).unwrap();
    try_again().refused(1, "identity.unreadable");
    fs::write(&identity, &content).unwrap();
    fs::set_permissions(host.state.join("host.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut run = crate::support::agent(["run", "--state-dir"]);
    Finished::of(run.arg(&host.state)).refused(1, "identity.unreadable");
    fs::set_permissions(host.state.join("host.key"), fs::Permissions::from_mode(0o600)).unwrap();
    try_again().expect(0);
    assert!(cluster.is_connected(&host.address));
    host.stop_background();
}
