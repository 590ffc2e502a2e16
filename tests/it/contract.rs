//! Replies hold against ECE's own description of its API.

use serde_json::json;

use crate::support::{Cluster, Contract, Reply};

const INFRASTRUCTURE: &str = "/platform/infrastructure";
const TOKENS: &str = "/platform/configuration/security/enrollment-tokens";

#[test]
fn replies_have_the_fields_and_types_that_the_contract_calls_required() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator,proxy");
    let contract = Contract::load();
    let reads = [
        ("allocators", None),
        ("allocators/{allocator_id}", Some(&host.address)),
        ("runners", None),
        ("runners/{runner_id}", Some(&host.address)),
        ("proxies", None),
        ("proxies/{proxy_id}", Some(&host.address)),
        ("coordinators", None),
        ("coordinators/{coordinator_id}", Some(&cluster.first.address)),
    ];
    for (path, id) in reads {
        let template = format!("{INFRASTRUCTURE}/{path}");
        let get = |id: &str| {
            let (head, tail) = template.split_once('{').unwrap_or((&template, ""));
            let path = if tail.is_empty() { head.to_owned() } else { format!("{head}{id}") };
            cluster.api("GET", &path, None)
        };
        let found = get(id.map_or("", String::as_str)).expect(200).json();
        contract.check("get", &template, 200, &found);
        if id.is_some() {
            contract.check("get", &template, 404, &get("nobody").expect(404).json());
            contract.check("get", &template, 404, &get("no%2Fbody").expect(404).json());
        }
    }
    let list = cluster.api("GET", &format!("{INFRASTRUCTURE}/proxies"), None).json();
    assert_eq!(list["proxies_count"], 2);
}

#[test]
fn tokens_keep_to_the_contract_in_success_and_failure() {
    let cluster = Cluster::start();
    let contract = Contract::load();
    for request in
        [json!({ "persistent": true, "roles": ["allocator"] }), json!({ "persistent": false })]
    {
        contract.check("post", TOKENS, 200, &cluster.create_token(request));
    }
    let refused = cluster.api("POST", TOKENS, Some(json!({ "persistent": 1 }))).expect(400);
    contract.check("post", TOKENS, 400, &refused.json());
    let listed = cluster.api("GET", TOKENS, None).expect(200).json();
    contract.check("get", TOKENS, 200, &listed);
    let template = format!("{TOKENS}/{{token}}");
    let unknown = cluster.api("DELETE", &format!("{TOKENS}/x"), None).expect(404).json();
    contract.check("delete", &template, 404, &unknown);
    let id = listed["tokens"][0]["token_id"].as_str().unwrap();
    let deleted = cluster.api("DELETE", &format!("{TOKENS}/{id}"), None).expect(200).json();
    contract.check("delete", &template, 200, &deleted);
}

#[test]
fn changes_of_hosts_keep_to_the_contract_in_success_and_failure() {
    let cluster = Cluster::start();
    let contract = Contract::load();
    let mut host = cluster.joined(2, "allocator");
    let runners = format!("{INFRASTRUCTURE}/runners/{{runner_id}}");
    let allocators = format!("{INFRASTRUCTURE}/allocators/{{allocator_id}}");
    let runner = format!("{INFRASTRUCTURE}/runners/{}", host.address);
    let allocator = format!("{INFRASTRUCTURE}/allocators/{}", host.address);
    for (path, template) in [(&runner, &runners), (&allocator, &allocators)] {
        let refused = cluster.api("DELETE", path, None).expect(400).json();
        contract.check("delete", template, 400, &refused);
    }
    let roles = json!({ "roles": [{ "role_name": "allocator" }, { "role_name": "proxy" }] });
    let echoed = cluster.api("PUT", &format!("{runner}/roles"), Some(roles.clone())).expect(200);
    assert_eq!(echoed.json(), roles);
    let template = format!("{runners}/roles");
    contract.check("put", &template, 200, &echoed.json());
    let refused = cluster.api("PUT", &format!("{runner}/roles"), Some(json!({}))).expect(400);
    contract.check("put", &template, 400, &refused.json());
    host.stop();
    for (path, template) in [(&allocator, &allocators), (&runner, &runners)] {
        let deleted = cluster.api("DELETE", path, None).expect(200);
        assert_eq!(deleted.body, "{}");
        contract.check("delete", template, 200, &deleted.json());
        let gone = cluster.api("DELETE", path, None).expect(404).json();
        contract.check("delete", template, 404, &gone);
    }
}

#[test]
fn a_list_has_pages_and_refuses_what_it_cannot_do() {
    let cluster = Cluster::start();
    let _host = cluster.joined(2, "allocator");
    let list =
        |query: &str| cluster.api("GET", &format!("{INFRASTRUCTURE}/allocators?{query}"), None);
    let count = |query: &str| -> usize {
        let overview = list(query).expect(200).json();
        let zones = overview["zones"].as_array().unwrap();
        zones.iter().map(|zone| zone["allocators"].as_array().unwrap().len()).sum()
    };
    assert_eq!(count(""), 2);
    assert_eq!(count("size=100"), 2);
    assert_eq!(count("size=1"), 1);
    assert_eq!(count("from=1&q="), 1);
    for (query, field) in [("q=a:(", "q"), ("size=many", "size"), ("sort=a:up", "sort")] {
        let error = list(query).failed(400, "root.invalid_parameter");
        assert_eq!(error["fields"], json!([field]));
    }
}

#[test]
fn what_stands_wrongly_in_a_path_or_behind_it_is_told_as_json() {
    let cluster = Cluster::start();
    let list = format!("{INFRASTRUCTURE}/allocators");
    cluster.api("GET", &format!("{list}/%ff"), None).failed(404, "root.resource_not_found");
    cluster.api("GET", &format!("{list}?q=a&q=b"), None).failed(400, "root.invalid_parameter");
    cluster
        .api("GET", &format!("{list}/a%2Fb"), None)
        .failed(404, "allocators.allocator_not_found");
    let message = |method: &str, path: &str, status, code: &str| {
        let error = cluster.api(method, path, None).failed(status, code);
        error["message"].as_str().unwrap().to_owned()
    };
    let told = message("PUT", &list, 405, "root.method_not_allowed");
    assert!(told.contains(&format!("PUT /api/v1{list}")), "{told}");
    let told = message("DELETE", "/moon", 404, "root.resource_not_found");
    assert!(told.contains("DELETE /api/v1/moon"), "{told}");
    let told = message("GET", &format!("/regions/moon{list}"), 404, "root.resource_not_found");
    assert!(told.contains("no region moon") && told.contains("ece-region"), "{told}");
    let told = message("GET", "/regions/ece-region/moon", 404, "root.resource_not_found");
    assert!(told.contains("GET /api/v1/regions/ece-region/moon"), "{told}");
    cluster.api("GET", "/regions/ece-region/stack/versions", None).expect(200);
    // A whole token in a path is not repeated.
    let told = message("GET", &format!("{TOKENS}/secret/of"), 404, "root.resource_not_found");
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn a_body_that_is_not_right_is_told_by_the_field_and_never_repeated() {
    let cluster = Cluster::start();
    let allocator = format!("{INFRASTRUCTURE}/allocators/{}", cluster.first.address);
    let settings = format!("{INFRASTRUCTURE}/proxies/settings");
    let roles = format!("{INFRASTRUCTURE}/blueprinter/roles");
    let secret = "a-secret-in-the-wrong-place";
    let (settings, metadata) = (&settings, &format!("{allocator}/metadata"));
    let cases = [
        ("PUT", &format!("{allocator}/settings"), json!({ "capacity": secret }), "capacity"),
        ("PUT", metadata, json!({ "items": [{ "key": "a", "value": 1 }] }), "items[0].value"),
        ("PUT", metadata, json!({ "items": [{ "key": "a" }] }), "items[0].value"),
        ("PUT", settings, json!({}), "expected_proxies_count"),
        ("PATCH", settings, json!({ "expected_proxies_count": secret }), "expected_proxies_count"),
        (
            "POST",
            &roles,
            json!({ "role": { "id": "a", "auto_blessed": secret } }),
            "role.auto_blessed",
        ),
        ("PATCH", &"/user".into(), json!({ "security": { "roles": secret } }), "security.roles"),
        ("POST", &"/users".into(), json!({ "security": { "enabled": 1 } }), "security.enabled"),
    ];
    for (method, path, body, field) in cases {
        let error = cluster.api(method, path, Some(body)).failed(400, "root.invalid_body");
        assert_eq!(error["fields"], json!([field]), "{method} {path}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(field) && !message.contains(secret), "{message}");
    }
    let error = cluster.api("PATCH", "/user", Some(json!(7))).failed(400, "root.invalid_body");
    assert!(error.get("fields").is_none(), "{error}");
    let token = cluster.api("POST", TOKENS, Some(json!({ "persistent": secret })));
    let error = token.failed(400, "enrollment_tokens.invalid_token_request");
    assert_eq!(error["fields"], json!(["persistent"]));
    let url = cluster.url("/user");
    let json = "Content-Type: application/json";
    for body in ["{", "{}{}", "{\"security\": {\"roles\": [}}"] {
        let reply =
            Reply::to(&["-u", &cluster.admin(), "-X", "PATCH", "-H", json, "-d", body, &url]);
        let error = reply.failed(400, "root.invalid_body");
        assert!(error["message"].as_str().unwrap().contains("not JSON"), "{error}");
    }
}

#[test]
fn the_coordinator_describes_its_api() {
    let cluster = Cluster::start();
    let document = cluster.api("GET", "/openapi.json", None).expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let served: Vec<&String> = paths.keys().collect();
    assert!(served.contains(&&format!("/api/v1{INFRASTRUCTURE}/allocators/{{allocator_id}}")));
    assert!(served.contains(&&format!("/api/v1{TOKENS}/{{token}}")));
}
