//! Every operation that the coordinator describes, asked by a user of each role.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Cluster, Reply};

const ROLES: [&str; 4] = [
    "ece_platform_admin",
    "ece_platform_viewer",
    "ece_deployment_manager",
    "ece_deployment_viewer",
];

/// Who needs no role for it.
const OWN: [&str; 8] = [
    "/user",
    "/users/{user_name}",
    "/users/auth",
    "/users/auth/_logout",
    "/users/auth/_refresh",
    "/users/auth/_login",
    "/users/auth/keys",
    "/users/auth/keys/{api_key_id}",
];

/// What a viewer of the platform may not see.
const SECRET: [&str; 4] = [
    "/platform/configuration/security/",
    "/platform/configuration/audit",
    "/users/auth/keys/_all",
    "/users/{user_id}/auth/keys",
];

/// What deployments are made of.
const FOR_DEPLOYMENTS: [&str; 4] = [
    "/deployments",
    "/stack/versions",
    "/platform/configuration/instances",
    "/platform/configuration/templates/",
];

/// Who may do it, said once more and in other words than the coordinator's.
fn allowed(method: &str, path: &str) -> BTreeSet<&'static str> {
    let below = |paths: &[&str]| paths.iter().any(|it| path.starts_with(it));
    let [admin, viewer, manager, looks_at_deployments] = ROLES;
    let reads = method == "get" || path.ends_with("/_search");
    let template = path.starts_with("/deployments/templates");
    let roles: &[_] = match (reads, below(&FOR_DEPLOYMENTS)) {
        _ if below(&SECRET) => &[admin],
        (true, true) => &[admin, viewer, manager, looks_at_deployments],
        (true, false) => &[admin, viewer],
        (false, true) if path.starts_with("/deployments") && !template => &[admin, manager],
        (false, _) => &[admin],
    };
    roles.iter().copied().collect()
}

fn operations(cluster: &Cluster) -> Vec<(String, String)> {
    let document = cluster.api("GET", "/openapi.json", None).expect(200).json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap();
        all.extend(methods.as_object().unwrap().keys().map(|it| (it.clone(), path.to_owned())));
    }
    all
}

/// The path with names that nothing has.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('/').skip(1) {
        filled.push('/');
        filled.push_str(if part.starts_with('{') { "nothing" } else { part });
    }
    filled
}

#[test]
fn each_role_may_do_what_it_is_for_and_nothing_else() {
    let cluster = Cluster::start();
    let user = |name: &str, roles: Value| {
        let security = json!({ "password": "a-password", "roles": roles });
        let body = json!({ "user_name": name, "security": security });
        cluster.api("POST", "/users", Some(body)).expect(200);
        format!("{name}:a-password")
    };
    let mut users: Vec<(&str, String)> =
        ROLES.iter().map(|role| (*role, user(&role.replace('_', "-"), json!([role])))).collect();
    users.push(("none", user("nobody", json!([]))));
    let operations = operations(&cluster);
    assert!(operations.len() > 120, "{}", operations.len());
    let mut wrong = Vec::new();
    for (method, path) in &operations {
        if OWN.contains(&path.as_str()) || path == "/users/auth/methods" {
            continue;
        }
        let allowed = allowed(method, path);
        for (role, user) in &users {
            let reply =
                cluster.api_as(user, &method.to_uppercase(), &filled(path), Some(json!({})));
            let refused = reply.status == 403 && reply.body.contains("root.unauthorized.rbac");
            if refused == allowed.contains(role) || reply.status == 401 || reply.status == 500 {
                wrong.push(format!("{role}: {method} {path}: {}", reply.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What no list names.
    let below = "/deployments/0123456789abcdef0123456789abcdef/elasticsearch/main/_restart";
    for (role, user) in &users {
        let [admin, viewer, manager, looks_at_deployments] = ROLES;
        let sees = [admin, viewer, manager, looks_at_deployments].contains(role);
        let changes = [admin, manager].contains(role);
        let status = |method: &str| cluster.api_as(user, method, below, Some(json!({}))).status;
        assert_eq!(status("GET"), if sees { 404 } else { 403 }, "{role}");
        assert_eq!(status("POST"), if changes { 501 } else { 403 }, "{role}");
    }
}

#[test]
fn ones_own_account_is_ones_own_and_nobody_elses() {
    let cluster = Cluster::start();
    for name in ["bob", "eve"] {
        let security = json!({ "password": "a-password", "roles": ["ece_deployment_viewer"] });
        let body = json!({ "user_name": name, "security": security });
        cluster.api("POST", "/users", Some(body)).expect(200);
    }
    let bob = "bob:a-password";
    for path in ["/user", "/users/bob", "/users/auth", "/users/auth/keys"] {
        cluster.api_as(bob, "GET", path, None).expect(200);
    }
    let made = cluster.api_as(bob, "POST", "/users/auth/keys", Some(json!({ "description": "d" })));
    let key = made.expect(201).json()["id"].as_str().unwrap().to_owned();
    let forbidden = |user: &str, method: &str, path: &str, body: Value| {
        cluster.api_as(user, method, path, Some(body)).failed(403, "root.unauthorized.rbac");
    };
    forbidden(bob, "GET", "/users", json!({}));
    forbidden(bob, "GET", "/users/eve", json!({}));
    // Nor is it told whether there is such a user.
    forbidden(bob, "GET", "/users/moon", json!({}));
    forbidden(bob, "PATCH", "/users/eve", json!({ "full_name": "Bob was here" }));
    forbidden(bob, "PATCH", "/users/admin", json!({ "security": { "password": "a-password" } }));
    let eve = "eve:a-password";
    cluster
        .api_as(eve, "DELETE", &format!("/users/auth/keys/{key}"), None)
        .failed(404, "api_keys.key_not_found");
    let own = |change: Value| cluster.api_as(bob, "PATCH", "/user", Some(change));
    for change in [json!({ "roles": ["ece_platform_admin"] }), json!({ "enabled": false })] {
        own(json!({ "security": change })).failed(400, "user.restricted_field");
    }
    own(json!({ "full_name": "Bob" })).expect(200);
    own(json!({ "security": { "roles": ["ece_deployment_viewer"], "enabled": true } })).expect(200);
    assert_eq!(cluster.api("GET", "/users/bob", None).json()["full_name"], "Bob");
    Reply::to(&["-u", bob, &cluster.url("/user")]).expect(200);
}
