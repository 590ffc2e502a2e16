//! Documents of the API in the store: what is secret in them, what is damaged, how deep they are.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Cluster, Reply};

const SETTINGS: &str = "/platform/infrastructure/proxies/settings";
const GROUPS: &str = "/platform/infrastructure/proxies/filtered-groups";
const ROLES: &str = "/platform/infrastructure/blueprinter/roles";
const AUDIT: &str = "/platform/configuration/audit";

fn settings(secret: &str) -> Value {
    json!({
        "expected_proxies_count": 2,
        "signature_secret": format!("{secret}-signature"),
        "signature_valid_for_millis": 60_000,
        "http_settings": {
            "cookie_secret": format!("{secret}-cookie"),
            "dashboards_base_url": "https://dashboards",
            "disconnected_cutoff": 1,
            "minimum_proxy_services": 1,
            "sso_settings": {
                "cookie_name": "sso",
                "default_redirect_path": "/",
                "dont_log_requests": true,
                "maintenance_bypass_cookie_name": "bypass",
                "max_age": 1,
                "sso_secret": format!("{secret}-sso"),
            },
            "user_cookie_key": format!("{secret}-user"),
        },
    })
}

fn store_file(cluster: &Cluster) -> PathBuf {
    cluster.first.state.join("coordinator/store.db")
}

/// Everything that stands in the records of the store.
fn stored(cluster: &Cluster) -> String {
    let store = Connection::open(store_file(cluster)).unwrap();
    let mut query = store.prepare("SELECT value FROM record").unwrap();
    let values = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    values.map(|value| String::from_utf8_lossy(&value.unwrap()).into_owned()).collect()
}

/// Puts another value in the place of a record's while nobody runs.
fn overwrite(cluster: &Cluster, path: &str, value: &str) {
    let store = Connection::open(store_file(cluster)).unwrap();
    let sql = "UPDATE record SET value = ?1 WHERE path = ?2";
    assert_eq!(store.execute(sql, (value.as_bytes(), path)).unwrap(), 1, "{path}");
}

fn document_path(kind: &str, name: &str) -> String {
    format!("/documents/{kind}/x{}", hex::encode(name))
}

fn restart(cluster: &mut Cluster, between: impl FnOnce(&Cluster)) {
    cluster.first.stop();
    between(cluster);
    cluster.first.run();
    cluster.first.wait_connected();
}

fn of_settings(cluster: &Cluster) -> Vec<Value> {
    let path = format!("{AUDIT}?action=settings.write");
    let page = cluster.api("GET", &path, None).expect(200).json();
    page["records"].as_array().unwrap().clone()
}

#[test]
fn secrets_of_the_proxies_are_sealed_in_the_store_and_redacted_in_the_audit() {
    let mut cluster = Cluster::start();
    cluster.api("PUT", SETTINGS, Some(settings("canary-one"))).expect(200);
    let change = json!({ "signature_secret": "canary-two-signature" });
    let changed = cluster.api("PATCH", SETTINGS, Some(change)).expect(200).json();
    assert_eq!(changed["signature_secret"], "canary-two-signature");
    assert_eq!(changed["http_settings"], settings("canary-one")["http_settings"]);
    let readonly = cluster.readonly();
    let seen = cluster.api_as(&readonly, "GET", SETTINGS, None).expect(200);
    assert!(!seen.body.contains("canary"), "{seen:?}");

    let audit = of_settings(&cluster);
    assert!(!json!(audit).to_string().contains("canary"), "{audit:#?}");
    assert_eq!(audit[0]["after"]["signature_secret"], "[redacted, changed]");
    assert!(audit[0]["after"]["http_settings"]["cookie_secret"].is_null(), "it is as it was");
    assert_eq!(audit[1]["after"]["signature_secret"], "[redacted]");

    restart(&mut cluster, |cluster| {
        let stored = stored(cluster);
        assert!(stored.contains("https://dashboards"));
        assert!(!stored.contains("canary"), "a secret is in the store");
    });
    let kept = cluster.api("GET", SETTINGS, None).expect(200).json();
    assert_eq!(kept, changed);
}

#[test]
fn settings_that_an_earlier_version_stored_are_read_and_sealed_when_they_change() {
    let mut cluster = Cluster::start();
    cluster.api("PUT", SETTINGS, Some(settings("x"))).expect(200);
    restart(&mut cluster, |cluster| {
        let record = json!({
            "schema": 1,
            "value": settings("canary"),
            "created_at": 1,
            "modified_at": 1,
        });
        overwrite(cluster, &document_path("proxies", "settings"), &record.to_string());
    });
    let seen = cluster.api("GET", SETTINGS, None).expect(200).json();
    assert_eq!(seen, settings("canary"));
    let change = json!({ "expected_proxies_count": 7 });
    let changed = cluster.api("PATCH", SETTINGS, Some(change)).expect(200).json();
    assert_eq!(changed["http_settings"], settings("canary")["http_settings"]);
    cluster.first.stop();
    assert!(!stored(&cluster).contains("canary"), "a secret is in the store");
}

/// So many levels of JSON.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inside, _| json!({ "a": inside }))
}

#[test]
fn json_that_is_nested_too_deeply_is_refused_wherever_it_would_be_kept() {
    let cluster = Cluster::start();
    let deep = json!({ "http_settings": { "moon": nested(120) } });
    cluster.api("PATCH", SETTINGS, Some(deep)).failed(400, "root.invalid_body");
    let role = |containers: Value| json!({ "role": { "id": "moon", "auto_blessed": false, "containers": [containers] } });
    cluster.api("POST", ROLES, Some(role(nested(120)))).failed(400, "root.invalid_body");
    cluster.api("POST", ROLES, Some(role(nested(20)))).expect(201);
    let search = json!({ "query": nested(120) });
    let searched = cluster.api("POST", "/platform/infrastructure/runners/_search", Some(search));
    searched.failed(400, "runners.search_failed");
    // What nobody asked for is not kept.
    let unknown = json!({ "http_settings": { "moon": nested(20) } });
    let kept = cluster.api("PATCH", SETTINGS, Some(unknown)).expect(200);
    assert!(!kept.body.contains("moon"), "{kept:?}");
    for path in [SETTINGS, ROLES, AUDIT, "/platform/infrastructure/proxies"] {
        cluster.api("GET", path, None).expect(200);
    }
}

#[test]
fn a_damaged_document_hides_nothing_else_and_is_replaced_by_a_put_only() {
    let mut cluster = Cluster::start();
    cluster.api("PUT", SETTINGS, Some(settings("x"))).expect(200);
    for id in ["good", "bad"] {
        let group = json!({ "id": id, "filters": [], "expected_proxies_count": 0 });
        cluster.api("POST", GROUPS, Some(group)).expect(200);
        let definition = json!({ "id": id, "auto_blessed": true, "containers": [] });
        cluster.api("POST", ROLES, Some(json!({ "role": definition }))).expect(201);
    }
    restart(&mut cluster, |cluster| {
        let too_deep = json!({ "schema": 1, "value": nested(130), "created_at": 1 });
        overwrite(cluster, &document_path("proxies", "settings"), &too_deep.to_string());
        let wrong_type = json!({ "schema": 1, "value": 1, "created_at": 1, "modified_at": 1 });
        overwrite(cluster, &document_path("proxies-groups", "bad"), &wrong_type.to_string());
        overwrite(cluster, &document_path("roles", "bad"), "no JSON");
        let audit: String = Connection::open(store_file(cluster))
            .unwrap()
            .query_row("SELECT path FROM record WHERE path LIKE '/audit/%'", [], |row| row.get(0))
            .unwrap();
        overwrite(cluster, &audit, &too_deep.to_string());
    });
    let unreadable = |reply: Reply| {
        let error = reply.failed(500, "root.unreadable_document");
        assert_eq!(error["cause_code"], "store.unreadable_document");
        error["message"].as_str().unwrap().to_owned()
    };
    assert!(unreadable(cluster.api("GET", SETTINGS, None)).contains("proxies/settings"));
    let change = json!({ "expected_proxies_count": 1 });
    unreadable(cluster.api("PATCH", SETTINGS, Some(change)));
    unreadable(cluster.api("GET", "/platform/infrastructure/proxies/health", None));
    unreadable(cluster.api("GET", &format!("{GROUPS}/bad"), None));
    unreadable(cluster.api("GET", &format!("{ROLES}/bad"), None));

    cluster.api("GET", "/platform/infrastructure/proxies", None).expect(200);
    let platform = cluster.api("GET", "/platform", None).expect(200).json();
    assert_eq!(platform["regions"][0]["proxies"]["healthy"], false);
    let roles = cluster.api("GET", ROLES, None).expect(200).body;
    assert!(roles.contains("\"good\"") && !roles.contains("\"bad\""), "{roles}");
    assert!(!of_settings(&cluster).is_empty());

    cluster.api("PUT", SETTINGS, Some(settings("y"))).expect(200);
    let seen = cluster.api("GET", SETTINGS, None).expect(200).json();
    assert_eq!(seen, settings("y"));
    let health = cluster.api("GET", "/platform/infrastructure/proxies/health", None).expect(200);
    assert_eq!(health.json()["filtered_groups"].as_array().unwrap().len(), 1);
    let group = json!({ "filters": [], "expected_proxies_count": 0 });
    cluster.api("PUT", &format!("{GROUPS}/bad"), Some(group)).expect(200);
    cluster.api("GET", &format!("{GROUPS}/bad"), None).expect(200);
    cluster.api("DELETE", &format!("{ROLES}/bad"), None).expect(200);
    let said = cluster.first.log();
    let lines = said.lines().filter(|line| line.contains(&document_path("proxies", "settings")));
    assert_eq!(lines.count(), 1, "{said}");
}
