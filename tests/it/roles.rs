//! What hosts are meant to be.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Cluster, within};

pub fn put_roles(cluster: &Cluster, runner: &str, roles: &[&str]) -> crate::support::Reply {
    let roles: Value = roles.iter().map(|role| json!({ "role_name": role })).collect();
    let path = format!("/platform/infrastructure/runners/{runner}/roles");
    cluster.api("PUT", &path, Some(json!({ "roles": roles })))
}

#[test]
fn a_host_without_roles_gets_them_later_and_acts_within_a_second() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "");
    assert_eq!(host.status_json()["roles"], json!({}));
    assert!(cluster.allocator(&host.address).is_none());

    let reply = put_roles(&cluster, &host.address, &["proxy", "allocator"]).expect(200);
    assert_eq!(reply.json()["roles"][0]["role_name"], "proxy", "the body is echoed");
    let acts = within(Duration::from_secs(1), || {
        let roles = host.status_json()["roles"].clone();
        roles["allocator"]["healthy"] == true && roles["proxy"]["healthy"] == true
    });
    assert!(acts, "{}", host.log());
    assert!(cluster.allocator(&host.address).is_some());

    put_roles(&cluster, &host.address, &["proxy"]).expect(200);
    assert!(within(Duration::from_secs(1), || {
        host.status_json()["roles"].as_object().unwrap().keys().eq(["proxy"])
    }));
    assert!(cluster.allocator(&host.address).is_none());
}

#[test]
fn roles_survive_a_restart_of_the_host_while_the_coordinator_is_away() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "");
    put_roles(&cluster, &host.address, &["proxy"]).expect(200);
    assert!(within(Duration::from_secs(1), || host.status_json()["roles"]["proxy"].is_object()));
    cluster.first.stop();
    host.stop();
    host.run();
    let runs = within(Duration::from_secs(5), || {
        let status = host.status(&["--json"]);
        status.code == 0 && status.json()["roles"]["proxy"]["healthy"] == true
    });
    assert!(runs, "{}", host.log());
    assert_eq!(host.status_json()["connected"], false);
}

#[test]
fn names_beside_the_four_roles_are_kept() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    put_roles(&cluster, &host.address, &["allocator", "services-forwarder"]).expect(200);
    let roles = cluster.runner(&host.address)["roles"].clone();
    assert_eq!(roles, json!([{ "role_name": "allocator" }, { "role_name": "services-forwarder" }]));
}

#[test]
fn the_last_coordinator_role_cannot_be_taken_away_nor_a_second_one_given() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let failed = "runners.runner_set_roles_failed";
    let error =
        put_roles(&cluster, &cluster.first.address, &["allocator", "director"]).failed(400, failed);
    assert_eq!(error["cause_code"], "roles.last_coordinator");
    let error = put_roles(&cluster, &cluster.first.address, &["coordinator"]).failed(400, failed);
    assert_eq!(error["cause_code"], "roles.last_director");
    let error =
        put_roles(&cluster, &host.address, &["allocator", "coordinator"]).failed(400, failed);
    assert_eq!(error["cause_code"], "join.role_not_available");
    let error = put_roles(&cluster, &host.address, &["no role"]).failed(400, failed);
    assert_eq!(error["cause_code"], "roles.unknown");
    put_roles(&cluster, "nobody", &["proxy"]).failed(404, "runners.runner_not_found");
    assert!(cluster.allocator(&host.address).is_some());
}
