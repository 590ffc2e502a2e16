//! Roles as definitions: who is blessed with them, since when they are, how many there may be.

use serde_json::{Value, json};

use crate::support::Cluster;

const ROLES: &str = "/platform/infrastructure/blueprinter/roles";

fn definition(id: &str, auto_blessed: bool) -> Value {
    json!({ "id": id, "auto_blessed": auto_blessed, "containers": [] })
}

#[test]
fn built_in_roles_are_as_old_as_the_cluster_and_have_versions_to_name() {
    let cluster = Cluster::start();
    let audit = "/platform/configuration/audit?action=cluster.create";
    let made = cluster.api("GET", audit, None).json()["records"][0]["at"].clone();
    let path = format!("{ROLES}/proxy");
    let meta = || cluster.api("GET", &path, None).expect(200).json()["role"]["meta"].clone();
    let first = meta();
    assert_eq!((&first["created_time"], &first["modified_time"]), (&made, &made));
    assert_eq!(first["version"], "1");
    let listed = cluster.api("GET", ROLES, None).expect(200).json();
    let times: Vec<_> = listed["values"].as_array().unwrap().iter().collect();
    assert_eq!(times.len(), 4);
    assert!(times.iter().all(|role| role["role"]["meta"]["created_time"] == made), "{listed}");
    let put = |version: &str| {
        cluster.api("PUT", &format!("{path}?version={version}"), Some(definition("proxy", false)))
    };
    for stale in ["0", "2"] {
        let told = put(stale).failed(409, "roles.version_conflict")["message"].clone();
        assert!(told.as_str().unwrap().ends_with("its version is 1"), "{told}");
    }
    put("1").expect(200);
    let second = meta();
    assert_eq!((&second["created_time"], &second["version"]), (&made, &"2".into()));
    put("1").failed(409, "roles.version_conflict");
    let blessings = format!("{path}/blessings?version=1");
    let nobody = json!({ "runner_ids_to_blessing": {} });
    cluster.api("PUT", &blessings, Some(nobody)).failed(409, "roles.version_conflict");
    put("2").expect(200);
}

#[test]
fn a_role_that_all_hosts_have_by_themselves_has_no_list_of_blessings() {
    let cluster = Cluster::start();
    let make = |id: &str, auto_blessed| {
        let role = json!({ "role": definition(id, auto_blessed) });
        cluster.api("POST", ROLES, Some(role)).expect(201).json()
    };
    for shown in [make("beats-runner", true), {
        cluster.api("GET", &format!("{ROLES}/beats-runner"), None).expect(200).json()
    }] {
        assert!(shown.get("blessings").is_none(), "{shown}");
        assert_eq!(shown["role"]["value"]["auto_blessed"], true);
    }
    let other = make("services-forwarder", false);
    assert_eq!(other["blessings"]["value"], json!({ "runner_ids_to_blessing": {} }));
}

#[test]
fn roles_and_groups_of_proxies_are_bounded_in_number() {
    let cluster = Cluster::start();
    let role = |number: u32| {
        let role = json!({ "role": definition(&format!("role-{number}"), false) });
        cluster.api("POST", ROLES, Some(role))
    };
    let group = |number: u32| {
        let group = json!({
            "id": format!("group-{number}"), "filters": [], "expected_proxies_count": 1
        });
        cluster.api("POST", "/platform/infrastructure/proxies/filtered-groups", Some(group))
    };
    for number in 0..256 {
        role(number).expect(201);
        group(number).expect(200);
    }
    role(256).failed(400, "roles.too_many");
    group(256).failed(400, "proxies.too_many_filtered_groups");
    cluster.api("DELETE", &format!("{ROLES}/role-7"), None).expect(200);
    role(256).expect(201);
}
