//! Who may do what.

use serde_json::json;

use crate::support::{Cluster, Finished, Reply, agent};

const TOKENS: &str = "/platform/configuration/security/enrollment-tokens";

#[test]
fn without_the_right_password_nobody_gets_in() {
    let cluster = Cluster::start();
    let url = cluster.url("/platform/infrastructure/allocators");
    let anonymous = Reply::to(&[&url]);
    assert!(anonymous.headers.contains_key("www-authenticate"));
    anonymous.failed(401, "root.unauthenticated");
    for user in ["admin:wrong", "typed-in-the-wrong-place:x", "admin:"] {
        Reply::to(&["-u", user, &url]).failed(401, "root.unauthenticated");
    }
    let log = cluster.first.log();
    let told = |whom| log.contains(&format!("{whom} was not let in from 127."));
    assert!(told("the user admin") && told("somebody who is no user"), "{log}");
    assert!(!log.contains("typed-in") && !log.contains("wrong"), "{log}");
    let metrics = Reply::to(&[&format!("http://{}:12346/metrics", cluster.first.address)]).body;
    let counted = "ece_agent_password_checks_total{outcome=\"wrong\"} 3";
    assert!(metrics.contains(counted), "{metrics}");
    for header in
        ["Authorization: Bearer abc", "Authorization: ApiKey abc", "Authorization: Basic !"]
    {
        Reply::to(&["-H", header, &url]).failed(401, "root.unauthenticated");
    }
}

#[test]
fn readonly_sees_hosts_but_neither_tokens_nor_changes_anything() {
    let cluster = Cluster::start();
    let readonly = cluster.readonly();
    let forbidden = |method: &str, path: &str, body| {
        cluster.api_as(&readonly, method, path, body).failed(403, "root.unauthorized.rbac");
    };
    for path in ["runners", "allocators", "proxies", "coordinators"] {
        let path = format!("/platform/infrastructure/{path}");
        cluster.api_as(&readonly, "GET", &path, None).expect(200);
    }
    forbidden("GET", TOKENS, None);
    forbidden("POST", TOKENS, Some(json!({ "persistent": true })));
    forbidden("DELETE", &format!("{TOKENS}/x"), None);
    let host = format!("/platform/infrastructure/runners/{}", cluster.first.address);
    forbidden("DELETE", &host, None);
    forbidden("PUT", &format!("{host}/roles"), Some(json!({ "roles": [] })));
    let allocator = format!("/platform/infrastructure/allocators/{}", cluster.first.address);
    forbidden("DELETE", &allocator, None);
}

#[test]
fn the_shown_certificate_and_fingerprint_are_what_clients_can_trust_by() {
    let cluster = Cluster::start();
    let state = cluster.first.state.to_str().unwrap();
    let pem = Finished::of(&mut agent(["ca", "show", "--pem", "--state-dir", state])).expect(0);
    let file = cluster.first.state.with_extension("pem");
    std::fs::write(&file, pem.stdout).unwrap();
    let url = cluster.url("/platform/infrastructure/runners");
    let output = std::process::Command::new("curl")
        .args(["-s", "--cacert", file.to_str().unwrap(), "-u", &cluster.admin(), &url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    let shown = Finished::of(&mut agent(["ca", "show", "--json", "--state-dir", state])).json();
    let token = cluster.secret("allocator_only_token");
    let inspected = Finished::of(&mut agent(["token", "inspect", "--json", &token])).json();
    assert_eq!(shown["fingerprints"], inspected["pins"]);
}

#[test]
fn both_prefixes_and_a_doubled_slash_lead_to_the_same() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let host = &cluster.first.address;
    for prefix in ["/api/v1/platform", "/api/v1/regions/ece-region/platform", "//api/v1/platform"] {
        let url = format!("https://{host}:12443{prefix}/infrastructure/runners");
        Reply::to(&["--path-as-is", "-u", &admin, &url]).expect(200);
    }
    Reply::to(&[&format!("https://{host}:12443/api/v1/nothing")])
        .failed(404, "root.resource_not_found");
    let wrong = Reply::to(&["-X", "PATCH", &cluster.url("/platform/infrastructure/runners")]);
    wrong.failed(405, "root.method_not_allowed");
    let long = "M".repeat(1000);
    let long = Reply::to(&["-X", &long, &cluster.url("/platform/infrastructure/runners")]);
    let error = long.failed(405, "root.method_not_allowed");
    assert!(error["message"].as_str().unwrap().len() < 200, "{error}");
}

#[test]
fn a_user_who_changes_their_account_all_the_time_is_held_back_and_admins_are_not() {
    let cluster = Cluster::start();
    let readonly = cluster.readonly();
    let keys = "/users/auth/keys";
    let create = |user: &str| {
        cluster.api_as(user, "POST", keys, Some(json!({ "description": "d".repeat(1024) })))
    };
    let mut changes = 0;
    let held_back = loop {
        let made = create(&readonly);
        if made.status == 429 {
            break made;
        }
        let id = made.expect(201).json()["id"].as_str().unwrap().to_owned();
        cluster.api_as(&readonly, "DELETE", &format!("{keys}/{id}"), None).expect(200);
        changes += 1;
        assert!(changes <= 200);
    };
    let wait: u64 = held_back.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    held_back.failed(429, "root.too_many_requests");
    let password = json!({ "security": { "password": "another-password" } });
    cluster
        .api_as(&readonly, "PATCH", "/user", Some(password))
        .failed(429, "root.too_many_requests");
    cluster.api_as(&readonly, "GET", "/user", None).expect(200);
    create(&cluster.admin()).expect(201);
    cluster.token("allocator");
}
