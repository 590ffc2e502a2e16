//! What hosts are meant to be.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Host, agent, within};

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
    let mut give = agent(["host", "roles", &host.address, "director", "--state-dir"]);
    let told = Finished::of(give.arg(&cluster.first.state)).refused(14, "api.refused").stderr;
    assert!(told.contains("stay with the first host") && !told.contains("Join"), "{told}");
    let error = put_roles(&cluster, &host.address, &["no role"]).failed(400, failed);
    assert_eq!(error["cause_code"], "roles.unknown");
    put_roles(&cluster, "nobody", &["proxy"]).failed(404, "runners.runner_not_found");
    assert!(cluster.allocator(&host.address).is_some());
}

#[test]
fn what_the_api_sets_for_an_allocator_reaches_its_host_within_a_second_and_stays_with_it() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let role = |host: &Host| host.status_json()["roles"]["allocator"].clone();
    let allocator = format!("/platform/infrastructure/allocators/{}", host.address);
    assert_eq!(role(&host)["detail"], "0 instances");
    let first = role(&host)["applied"].clone();
    assert!(first.is_string(), "{first}");
    let capacity = json!({ "capacity": 9000 });
    cluster.api("PUT", &format!("{allocator}/settings"), Some(capacity)).expect(200);
    let given = "0 instances, 9000 MB by the API's settings";
    assert!(within(Duration::from_secs(1), || role(&host)["detail"] == given), "{}", role(&host));
    let second = role(&host)["applied"].clone();
    assert_ne!(first, second);
    let maintenance = format!("{allocator}/maintenance-mode/_start");
    cluster.api("POST", &maintenance, None).expect(202);
    let both = format!("{given}, nothing new is placed");
    assert!(within(Duration::from_secs(1), || role(&host)["detail"] == both), "{}", role(&host));
    let third = role(&host)["applied"].clone();
    assert_ne!(second, third);
    // Without anybody to ask it is what it was.
    cluster.first.stop();
    host.stop();
    host.run();
    let kept = || host.status(&["--json"]).code == 0 && role(&host)["detail"] == both;
    assert!(within(Duration::from_secs(5), kept), "{}", host.log());
    assert_eq!(role(&host)["applied"], third);
}

#[test]
fn a_first_host_that_has_lost_what_it_was_told_has_its_coordinator_all_the_same() {
    let mut cluster = Cluster::start();
    let told = cluster.first.state.join("desired.json");
    for content in [None, Some("{")] {
        assert!(fs::read_to_string(&told).unwrap().contains("coordinator"));
        cluster.first.stop();
        match content {
            None => fs::remove_file(&told).unwrap(),
            Some(content) => fs::write(&told, content).unwrap(),
        }
        cluster.first.run();
        cluster.first.wait_connected();
        let all = || cluster.first.status_json()["roles"].as_object().unwrap().len() == 4;
        assert!(within(Duration::from_secs(1), all), "{}", cluster.first.log());
    }
}

#[test]
fn a_coordinator_without_a_datastore_waits_for_one_and_holds_nothing_else_up() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    cluster.first.stop();
    host.stop();
    let told = host.state.join("desired.json");
    let mut desired: Value = serde_json::from_slice(&fs::read(&told).unwrap()).unwrap();
    desired["roles"] = json!(["allocator", "coordinator", "director"]);
    fs::write(&told, desired.to_string()).unwrap();
    host.run();
    let waits = || {
        let status = host.status(&["--json"]);
        status.code == 0
            && ["coordinator", "director"].iter().all(|role| {
                let role = &status.json()["roles"][role];
                role["healthy"] == false && role["code"] == "roles.no_datastore"
            })
    };
    assert!(within(Duration::from_secs(5), waits), "{}", host.log());
    assert!(within(Duration::from_secs(5), || {
        host.status_json()["roles"]["allocator"]["healthy"] == true
    }));
    assert!(!host.state.join("coordinator").exists());
    // The cluster knows better.
    cluster.first.run();
    host.wait_connected();
    assert!(within(Duration::from_secs(5), || {
        host.status_json()["roles"].as_object().unwrap().keys().eq(["allocator"])
    }));
}
