//! Every operation of ECE's API, asked rightly and wrongly: replies keep to its schemas.

mod nothing_yet;
mod refusals;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Cluster, Contract, Reply};

/// What is not served, and says so.
const NOT_SERVED: [(&str, &str); 21] = [
    ("post", "/deployments"),
    ("put", "/deployments/{deployment_id}"),
    ("delete", "/deployments/{deployment_id}"),
    ("post", "/deployments/extensions"),
    ("post", "/deployments/extensions/{extension_id}"),
    ("put", "/deployments/extensions/{extension_id}"),
    ("delete", "/deployments/extensions/{extension_id}"),
    ("post", "/deployments/templates"),
    ("put", "/deployments/templates/{template_id}"),
    ("delete", "/deployments/templates/{template_id}"),
    ("post", "/deployments/traffic-filter/rulesets"),
    ("put", "/deployments/traffic-filter/rulesets/{ruleset_id}"),
    ("delete", "/deployments/traffic-filter/rulesets/{ruleset_id}"),
    ("post", "/platform/configuration/instances"),
    ("put", "/platform/configuration/instances/{id}"),
    ("delete", "/platform/configuration/instances/{id}"),
    ("put", "/platform/configuration/snapshots/repositories/{repository_name}"),
    ("delete", "/platform/configuration/snapshots/repositories/{repository_name}"),
    ("post", "/stack/versions"),
    ("put", "/stack/versions/{version}"),
    ("delete", "/stack/versions/{version}"),
];

struct Walk {
    cluster: Cluster,
    contract: Contract,
    /// Values of the parameters in paths.
    values: Vec<(&'static str, String)>,
    asked: BTreeSet<(String, String)>,
}

impl Walk {
    fn path(&self, template: &str) -> String {
        let mut path = template.to_owned();
        for (name, value) in &self.values {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "{path}");
        path
    }

    /// Asks for a success, and holds the reply against its schema.
    #[track_caller]
    fn ok(&mut self, method: &str, template: &str, status: u16, body: Value) -> Reply {
        let reply = self.send(method, template, body).expect(status);
        self.contract.check(method, template, status, &reply.json());
        self.asked.insert((method.to_owned(), template.to_owned()));
        reply
    }

    fn send(&self, method: &str, template: &str, body: Value) -> Reply {
        let body = (!body.is_null()).then_some(body);
        self.cluster.api(&method.to_uppercase(), &self.path(template), body)
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value.to_owned()));
    }
}

/// Comments on all that can be commented on.
fn ask_for_comments(walk: &mut Walk) {
    let all = "/comments/{resource_type}/{resource_id}";
    let one = "/comments/{resource_type}/{resource_id}/{comment_id}";
    for kind in ["allocator", "proxy", "runner", "constructor"] {
        walk.set("resource_type", kind);
        let id = walk.path(&format!("{{{kind}_id}}"));
        walk.set("resource_id", &id);
        let made = walk.ok("post", all, 201, json!({ "message": "a disk was replaced" }));
        assert_eq!(made.headers["x-cloud-resource-version"], "1");
        let made = made.json();
        assert_eq!(made["user_id"], "admin");
        walk.set("comment_id", made["id"].as_str().unwrap());
        assert_eq!(walk.ok("get", one, 200, Value::Null).json(), made);
        let changed = walk.ok("put", one, 200, json!({ "message": "two disks" }));
        assert_eq!(changed.headers["x-cloud-resource-version"], "2");
        let listed = walk.ok("get", all, 200, Value::Null).json();
        assert_eq!(listed["values"][0]["comment"]["message"], "two disks");
        assert_eq!(listed["values"][0]["metadata"]["version"], "2");
        walk.send("delete", &format!("{one}?version=1"), Value::Null)
            .failed(409, "comments.version_conflict");
        walk.ok("delete", one, 200, Value::Null);
        walk.send("get", one, Value::Null).failed(404, "comments.comment_does_not_exist");
    }
    walk.set("resource_type", "kibana");
    walk.send("get", all, Value::Null).failed(404, "comments.resource_does_not_exist");
}

/// A user's way from the first day to the last.
fn ask_for_users(walk: &mut Walk) {
    let full = |reply: Reply| {
        let user = reply.json();
        assert_eq!(user["user_name"], "bob");
        for field in ["enabled", "roles", "permissions", "security_realm"] {
            assert!(!user["security"][field].is_null(), "{field} is missing in {user}");
        }
        user
    };
    let security =
        json!({ "enabled": true, "password": "a-password", "roles": ["ece_deployment_viewer"] });
    let bob = json!({ "user_name": "bob", "full_name": "Bob", "security": security });
    let made = full(walk.ok("post", "/users", 200, bob));
    assert_eq!(made["metadata"]["created_by"], "user admin");
    for name in ["user_name", "user_id"] {
        walk.set(name, "bob");
    }
    full(walk.ok("get", "/users/{user_name}", 200, Value::Null));
    let change =
        json!({ "user_name": "bob", "email": "bob@example.org", "security": { "roles": null } });
    let changed = full(walk.ok("patch", "/users/{user_name}", 200, change));
    assert_eq!(
        (&changed["email"], &changed["full_name"]),
        (&"bob@example.org".into(), &"Bob".into())
    );
    let roles = "/users/{user_id}/role_assignments";
    let viewer = json!({ "platform": [{ "role_id": "ece_platform_viewer" }] });
    walk.ok("post", roles, 200, viewer.clone());
    let both = full(walk.ok("get", "/users/{user_name}", 200, Value::Null));
    let both = &both["security"]["roles"];
    assert_eq!(*both, json!(["ece_platform_viewer", "ece_deployment_viewer"]));
    walk.ok("delete", roles, 200, viewer);
    walk.ok("delete", "/users/{user_name}", 200, Value::Null);
    walk.send("get", "/users/{user_name}", Value::Null).failed(404, "user.not_found");
    for name in ["user_name", "user_id"] {
        walk.set(name, "admin");
    }
}

#[test]
fn every_operation_answers_as_the_contract_says() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator,proxy");
    let (first, second) = (cluster.first.address.clone(), host.address.clone());
    let mut walk =
        Walk { cluster, contract: Contract::load(), values: Vec::new(), asked: BTreeSet::new() };
    for (name, value) in [
        ("allocator_id", &second),
        ("runner_id", &second),
        ("proxy_id", &second),
        ("coordinator_id", &first),
        ("constructor_id", &first),
    ] {
        walk.set(name, value);
    }
    for (name, value) in [
        ("key", "rack"),
        ("cluster_type", "kibana"),
        ("blueprinter_role_id", "beats-runner"),
        ("proxies_filtered_group_id", "west"),
        ("coordinator_candidate_id", "nobody"),
        ("user_id", "admin"),
        ("user_name", "admin"),
        ("deployment_id", "0123456789abcdef0123456789abcdef"),
        ("extension_id", "dictionary"),
        ("template_id", "default"),
        ("ruleset_id", "office"),
        ("id", "data.default"),
        ("repository_name", "backups"),
        ("version", "8.15.0"),
    ] {
        walk.set(name, value);
    }
    let infra = "/platform/infrastructure";
    let none = || Value::Null;

    walk.ok("get", "/platform", 200, none());
    let base_url = "/platform/configuration/api_base_url";
    walk.ok("get", base_url, 200, none());
    walk.ok("put", base_url, 200, json!({ "value": "https://ece.example" }));
    let tokens = "/platform/configuration/security/enrollment-tokens";
    let made = walk.ok("post", tokens, 200, json!({ "persistent": true, "roles": ["proxy"] }));
    let token = made.json()["token_id"].as_str().unwrap().to_owned();
    walk.set("token", &token);
    walk.ok("get", tokens, 200, none());
    walk.ok("delete", &format!("{tokens}/{{token}}"), 200, none());

    let allocators = format!("{infra}/allocators");
    let allocator = format!("{allocators}/{{allocator_id}}");
    let found = walk.ok("get", &allocators, 200, none()).json();
    assert_eq!(found["zones"][0]["allocators"].as_array().unwrap().len(), 2);
    let query = json!({ "query": { "term": { "allocator_id": { "value": second } } }, "sort": null, "fields": null });
    let found = walk.ok("post", &format!("{allocators}/_search"), 200, query).json();
    assert_eq!(found["zones"][0]["allocators"].as_array().unwrap().len(), 1);
    walk.ok("post", &format!("{allocators}/_resync"), 202, none());
    walk.ok("get", &allocator, 200, none());
    walk.ok("post", &format!("{allocator}/_resync"), 200, none());
    walk.ok("post", &format!("{allocator}/maintenance-mode/_start"), 202, none());
    assert_eq!(walk.ok("get", &allocator, 200, none()).json()["status"]["maintenance_mode"], true);
    walk.ok("post", &format!("{allocator}/maintenance-mode/_stop"), 202, none());
    let metadata = format!("{allocator}/metadata");
    walk.ok("get", &metadata, 200, none());
    walk.ok("put", &metadata, 200, json!({ "items": [{ "key": "a", "value": "1" }] }));
    let item = format!("{metadata}/{{key}}");
    let labels = walk.ok("put", &item, 200, json!({ "value": "7" })).json();
    assert_eq!(labels, json!([{ "key": "a", "value": "1" }, { "key": "rack", "value": "7" }]));
    walk.ok("delete", &item, 200, none());
    let settings = format!("{allocator}/settings");
    walk.ok("get", &settings, 200, none());
    walk.ok("put", &settings, 200, json!({ "capacity": 9000 }));
    assert_eq!(
        walk.ok("patch", &settings, 200, json!({ "capacity": null })).json()["capacity"],
        9000
    );
    walk.ok("post", &format!("{allocator}/clusters/_move"), 202, none());
    walk.ok("post", &format!("{allocator}/clusters/{{cluster_type}}/_move"), 202, json!({}));

    let runners = format!("{infra}/runners");
    walk.ok("get", &runners, 200, none());
    walk.ok("post", &format!("{runners}/_search"), 200, json!({ "query": { "match_all": {} } }));
    walk.ok("post", &format!("{runners}/_resync"), 202, none());
    walk.ok("get", &format!("{runners}/{{runner_id}}"), 200, none());
    walk.ok("post", &format!("{runners}/{{runner_id}}/_resync"), 200, none());

    let roles = format!("{infra}/blueprinter/roles");
    let role = format!("{roles}/{{blueprinter_role_id}}");
    let definition = json!({ "id": "beats-runner", "auto_blessed": false, "containers": [] });
    walk.ok("post", &roles, 201, json!({ "role": definition }));
    walk.ok("get", &roles, 200, none());
    walk.ok("get", &role, 200, none());
    walk.ok("put", &role, 200, definition);
    let blessings = json!({ "runner_ids_to_blessing": { (second.clone()): { "value": true } } });
    walk.ok("put", &format!("{role}/blessings"), 200, blessings);
    let names = walk.cluster.runner(&second)["roles"].to_string();
    assert!(names.contains("beats-runner"), "{names}");
    walk.ok("put", &format!("{role}/blessings/{{runner_id}}"), 200, json!({ "value": false }));
    walk.ok("delete", &role, 200, none());

    let proxies = format!("{infra}/proxies");
    walk.ok("get", &proxies, 200, none());
    walk.ok("get", &format!("{proxies}/{{proxy_id}}"), 200, none());
    let shown = walk.ok("get", &format!("{proxies}/settings"), 200, none()).json();
    walk.ok("put", &format!("{proxies}/settings"), 200, shown);
    let change =
        json!({ "expected_proxies_count": 3, "signature_secret": null, "http_settings": null });
    walk.ok("patch", &format!("{proxies}/settings"), 200, change);
    let health = format!("{proxies}/health");
    assert_eq!(walk.ok("get", &health, 200, none()).json()["status"], "Yellow");
    let reply = walk.cluster.api("GET", &format!("{health}?expect_status=green"), None).expect(417);
    walk.contract.check("get", &health, 417, &reply.json());
    let groups = format!("{proxies}/filtered-groups");
    let group = format!("{groups}/{{proxies_filtered_group_id}}");
    let west = json!({ "id": "west", "filters": [{ "key": "where", "value": "west" }], "expected_proxies_count": 1 });
    walk.ok("post", &groups, 200, west.clone());
    walk.ok("get", &group, 200, none());
    walk.ok("put", &group, 200, west);
    let of_group = format!("{group}/health");
    assert_eq!(walk.ok("get", &of_group, 200, none()).json()["status"], "Red");
    walk.ok("delete", &group, 200, none());

    let coordinators = format!("{infra}/coordinators");
    walk.ok("get", &coordinators, 200, none());
    walk.ok("get", &format!("{coordinators}/candidates"), 200, none());
    walk.ok("get", &format!("{coordinators}/{{coordinator_id}}"), 200, none());
    let constructors = format!("{infra}/constructors");
    walk.ok("get", &constructors, 200, none());
    walk.ok("post", &format!("{constructors}/_resync"), 202, none());
    walk.ok("get", &format!("{constructors}/{{constructor_id}}"), 200, none());
    walk.ok("post", &format!("{constructors}/{{constructor_id}}/_resync"), 200, none());

    walk.ok("get", "/user", 200, none());
    walk.ok("patch", "/user", 200, json!({ "security": {} }));
    walk.ok("get", "/users", 200, none());
    walk.ok("get", "/users/{user_name}", 200, none());
    walk.ok("patch", "/users/{user_name}", 200, json!({ "user_name": "admin" }));
    ask_for_users(&mut walk);
    ask_for_comments(&mut walk);
    walk.ok("get", "/users/auth", 200, none());
    walk.ok("get", "/users/auth/methods", 200, none());
    let password = walk.cluster.secret("adminconsole_root_password");
    walk.ok(
        "post",
        "/users/auth/_login",
        200,
        json!({ "username": "admin", "password": password }),
    );
    walk.ok("post", "/users/auth/_logout", 200, none());
    let keys = "/users/auth/keys";
    for (list, delete) in [
        (keys.to_owned(), format!("{keys}/{{api_key_id}}")),
        ("/users/{user_id}/auth/keys".into(), "/users/{user_id}/auth/keys/{api_key_id}".into()),
    ] {
        let made =
            walk.ok("post", keys, 201, json!({ "description": "a key", "expiration": "1d" }));
        let id = made.json()["id"].as_str().unwrap().to_owned();
        walk.set("api_key_id", &id);
        walk.ok("get", &list, 200, none());
        walk.ok("get", &delete, 200, none());
        walk.ok("delete", &delete, 200, none());
        walk.send("get", &delete, none()).failed(404, "api_keys.key_not_found");
    }
    walk.ok("get", &format!("{keys}/_all"), 200, none());
    walk.ok("delete", keys, 200, json!({ "keys": [] }));
    walk.ok("delete", &format!("{keys}/_all"), 200, json!({ "user_api_keys": [] }));
    walk.ok("delete", "/users/{user_id}/auth/keys", 200, none());

    nothing_yet::ask_for_it(&mut walk);
    refusals::ask_wrongly(&mut walk);

    // What can be answered by a refusal only, or ends what the others need.
    let bearer = walk.cluster.login();
    let refreshed = walk.cluster.with_bearer(&bearer, "POST", "/users/auth/_refresh").expect(200);
    walk.contract.check("post", "/users/auth/_refresh", 200, &refreshed.json());
    walk.asked.insert(("post".into(), "/users/auth/_refresh".into()));
    let same = walk.cluster.runner(&second)["roles"].clone();
    walk.ok("put", &format!("{runners}/{{runner_id}}/roles"), 200, json!({ "roles": same }));
    drop(host);
    let gone = crate::support::within(std::time::Duration::from_secs(20), || {
        !walk.cluster.is_connected(&second)
    });
    assert!(gone);
    walk.ok("delete", &allocator, 200, none());
    walk.ok("delete", &format!("{runners}/{{runner_id}}"), 200, none());

    let unasked: Vec<_> = walk
        .contract
        .operations()
        .into_iter()
        .filter(|it| !walk.asked.contains(it))
        .filter(|(method, path)| !NOT_SERVED.contains(&(method, path)))
        .collect();
    assert!(unasked.is_empty(), "{unasked:#?}");
}
