//! Sessions, keys, ledger and audit; hosts by the command line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Reply, agent, within};

const LEDGER: &str = "/platform/configuration/security/token-ledger";
const AUDIT: &str = "/platform/configuration/audit";

fn with_header(cluster: &Cluster, header: &str, method: &str, path: &str) -> Reply {
    Reply::to(&["-X", method, "-H", header, &cluster.url(path)])
}

#[test]
fn a_session_is_renewed_and_ends_with_logout_or_the_password() {
    let cluster = Cluster::start();
    let user = |bearer: &str| cluster.with_bearer(bearer, "GET", "/user");
    let first = cluster.login();
    assert_eq!(user(&first).expect(200).json()["user_name"], "admin");
    let renewed = cluster.with_bearer(&first, "POST", "/users/auth/_refresh").expect(200).json();
    let renewed = renewed["token"].as_str().unwrap();
    user(&first).failed(401, "root.unauthenticated");
    user(renewed).expect(200);
    cluster.with_bearer(renewed, "POST", "/users/auth/_logout").expect(200);
    user(renewed).failed(401, "root.unauthenticated");
    cluster.with_bearer(renewed, "POST", "/users/auth/_refresh").failed(401, "root.unauthorized");

    let bearer = cluster.login();
    let made = cluster.api("POST", "/users/auth/keys", Some(json!({ "description": "d" })));
    let key = made.expect(201).json()["key"].as_str().unwrap().to_owned();
    let header = format!("Authorization: ApiKey {key}");
    let by_key = || with_header(&cluster, &header, "GET", "/user");
    assert_eq!(by_key().expect(200).json()["security"]["roles"][0], "ece_platform_admin");
    let change = json!({ "security": { "password": "another-password" } });
    cluster.api("PATCH", "/user", Some(change)).expect(200);
    user(&bearer).failed(401, "root.unauthenticated");
    by_key().failed(401, "root.unauthenticated");
    Reply::to(&["-u", "admin:another-password", &cluster.url("/user")]).expect(200);
    Reply::to(&["-u", &cluster.admin(), &cluster.url("/user")]).failed(401, "root.unauthenticated");
}

#[test]
fn a_key_is_shown_once_kept_as_a_digest_and_good_until_it_is_deleted() {
    let mut cluster = Cluster::start();
    let made = cluster.api(
        "POST",
        "/users/auth/keys",
        Some(json!({ "description": "d", "expiration": "1h" })),
    );
    let made = made.expect(201).json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let listed = cluster.api("GET", "/users/auth/keys", None).expect(200);
    assert!(listed.body.contains(id) && !listed.body.contains(key));
    let header = format!("Authorization: ApiKey {key}");
    with_header(&cluster, &header, "GET", "/user").expect(200);
    // A restart ends sessions, not keys.
    cluster.first.stop();
    let store = std::fs::read(cluster.first.state.join("coordinator/store.db")).unwrap();
    assert!(!store.windows(key.len()).any(|window| window == key.as_bytes()));
    cluster.first.run();
    cluster.first.wait_connected();
    with_header(&cluster, &header, "GET", "/user").expect(200);
    cluster.api("DELETE", &format!("/users/auth/keys/{id}"), None).expect(200);
    with_header(&cluster, &header, "GET", "/user").failed(401, "root.unauthenticated");
}

#[test]
fn the_ledger_says_who_came_with_a_token_and_revoking_can_evict_them_at_once() {
    let cluster = Cluster::start();
    let made = cluster
        .create_token(json!({ "persistent": false, "roles": ["proxy"], "description": "for two" }));
    let token = made["token"].as_str().unwrap();
    let mut hosts = [cluster.host(2), cluster.host(3)];
    for host in &mut hosts {
        cluster.install(host, token, &["--roles", "proxy"]);
        host.wait_connected();
    }
    let ledger = cluster.api("GET", LEDGER, None).expect(200).json();
    let entry =
        ledger["tokens"].as_array().unwrap().iter().find(|it| it["description"] == "for two");
    let entry = entry.unwrap();
    assert_eq!(entry["persistent"], false);
    assert_eq!(entry["created_by"], "user admin");
    assert_eq!(entry["uses"].as_array().unwrap().len(), 2);
    let path = format!("{LEDGER}/{}", entry["token_id"].as_str().unwrap());
    cluster.api_as(&cluster.readonly(), "GET", &path, None).failed(403, "root.unauthorized.rbac");
    for left in [1, 0] {
        let step = cluster.api("DELETE", &format!("{path}?evict=true&limit=1"), None);
        let step = step.expect(200).json();
        assert_eq!((step["evicted"].as_array().unwrap().len(), &step["left"]), (1, &json!(left)));
    }
    for host in &hosts {
        assert!(within(Duration::from_secs(3), || {
            host.status(&["--json"]).stdout.contains("host.removed")
        }));
    }
    let shown = cluster.api("GET", &path, None).expect(200).json();
    assert_eq!(shown["revoked_by"], "user admin");
    cluster.try_install(&cluster.host(4), token, &["--force"]).refused(14, "token.revoked");
    cluster
        .api("GET", &format!("{LEDGER}/nothing"), None)
        .failed(404, "enrollment_tokens.invalid_token_id");
}

#[test]
fn the_audit_is_read_filtered_exported_and_the_admins_alone() {
    let cluster = Cluster::start();
    let _host = cluster.joined(2, "allocator");
    let path = format!("/platform/infrastructure/allocators/{}/metadata/rack", _host.address);
    let changed = cluster.api("PUT", &path, Some(json!({ "value": "7" }))).expect(200);
    let page = cluster.api("GET", AUDIT, None).expect(200).json();
    let latest = &page["records"][0];
    assert_eq!(latest["action"], "allocator.metadata");
    assert_eq!(latest["request_id"], changed.headers["x-request-id"]);
    assert_eq!(latest["after"]["metadata"]["rack"], "7");
    let joins = cluster.api("GET", &format!("{AUDIT}?action=host.join&size=1"), None).json();
    assert_eq!(joins["records"][0]["actor_kind"], "host");
    let lines = cluster.api("GET", &format!("{AUDIT}?format=jsonl"), None);
    assert_eq!(lines.headers["content-type"], "application/jsonl");
    assert!(lines.body.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    cluster.api_as(&cluster.readonly(), "GET", AUDIT, None).failed(403, "root.unauthorized.rbac");
    cluster
        .api("GET", &format!("{AUDIT}?since=yesterday"), None)
        .failed(400, "root.invalid_parameter");
    let state = cluster.first.state.to_str().unwrap();
    let told =
        Finished::of(&mut agent(["audit", "list", "--action", "host.join", "--state-dir", state]));
    assert!(told.expect(0).stdout.contains("host.join"));
}

#[test]
fn operators_see_and_change_hosts_by_the_command_line_from_a_profile_with_a_key() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let dir = cluster.first.state.parent().unwrap();
    let made = cluster.api("POST", "/users/auth/keys", Some(json!({ "description": "cli" })));
    std::fs::write(dir.join("key"), made.json()["key"].as_str().unwrap()).unwrap();
    let ca = Finished::of(agent(["ca", "show", "--pem", "--state-dir"]).arg(&cluster.first.state));
    std::fs::write(dir.join("ca.pem"), ca.stdout).unwrap();
    let profile = dir.join("profile.toml");
    let text = format!(
        "coordinator-host = '{}'\napi-key-file = '{1}/key'\nca-cert = '{1}/ca.pem'\n",
        cluster.first.address,
        dir.display()
    );
    std::fs::write(&profile, text).unwrap();
    let call = |arguments: &[&str]| {
        let mut command = agent(arguments);
        command.args(["--state-dir", "/nonexistent", "--profile"]).arg(&profile);
        Finished::of(&mut command)
    };
    let listed = call(&["host", "list"]).expect(0).stdout;
    assert!(listed.contains(&host.address) && listed.starts_with("RUNNER ID"), "{listed}");
    let found = call(&["host", "list", "--query", "roles.role_name:coordinator", "--json"]).json();
    assert_eq!(found["runners"].as_array().unwrap().len(), 1);
    let told = call(&["host", "list", "--query", "role_name:coordinator"]);
    let told = told.refused(14, "api.refused").stderr;
    assert!(told.contains("did you mean \"roles.role_name\"?"), "{told}");
    call(&["host", "roles", &host.address, ""]).expect(3);
    call(&["host", "roles", &host.address, "--none"]).expect(0);
    call(&["host", "roles", &host.address, "allocator,proxy"]).expect(0);
    assert!(call(&["host", "show", &host.address]).expect(0).stdout.contains("allocator,proxy"));
    call(&["host", "maintenance", &host.address, "on"]).expect(0);
    assert_eq!(cluster.allocator(&host.address).unwrap()["status"]["maintenance_mode"], true);
    assert!(within(Duration::from_secs(3), || host.status_json()["maintenance"] == true));
    let in_maintenance = ["host", "list", "--query", "maintenance_mode:true", "--json"];
    assert_eq!(call(&in_maintenance).json()["runners"][0]["runner_id"], host.address);
    call(&["host", "maintenance", &host.address, "off"]).expect(0);
    let told = call(&["host", "delete", &host.address]).refused(14, "api.refused").stderr;
    assert!(told.contains("'ece-agent stop'") && !told.contains("asked "), "{told}");
    let way = format!("ece-agent host delete {} --evict", host.address);
    assert!(told.contains(&way), "{told}");
    let told = call(&["host", "show", "nobody"]).refused(14, "api.refused").stderr;
    assert!(told.contains("'ece-agent host list'") && !told.contains("asked "), "{told}");
    host.stop();
    call(&["host", "delete", &host.address]).expect(0);
    call(&["host", "show", &host.address]).refused(14, "api.refused");
    assert!(call(&["token", "ledger"]).expect(0).stdout.contains(&host.address));
}

#[test]
fn labels_are_given_changed_and_taken_away() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let label = |labels: &[&str]| {
        let mut command = agent(["host", "label", &host.address]);
        Finished::of(command.args(labels).arg("--state-dir").arg(&cluster.first.state))
    };
    let shown = label(&["rack=7", "disk=ssd=fast"]).expect(0).stdout;
    assert!(shown.contains("rack   7") && shown.contains("disk   ssd=fast"), "{shown}");
    let shown = label(&["rack-", "disk=hdd"]).expect(0).stdout;
    assert!(!shown.contains("rack") && shown.contains("hdd"), "{shown}");
    label(&["rack"]).refused(3, "config.invalid");
    label(&["=7"]).refused(3, "config.invalid");
    assert_eq!(cluster.allocator(&host.address).unwrap()["metadata"][0]["value"], "hdd");
}

#[test]
fn a_host_that_is_connected_is_removed_alone_when_it_is_evicted() {
    let cluster = Cluster::start();
    let (host, other) = (cluster.joined(2, "allocator"), cluster.joined(3, "allocator"));
    let runner = |id: &str| format!("/platform/infrastructure/runners/{id}");
    for kept in ["", "?evict=false"] {
        let path = runner(&host.address) + kept;
        cluster.api("DELETE", &path, None).failed(400, "runners.runner_deletion_failed");
    }
    let state = cluster.first.state.to_str().unwrap();
    let evict = ["host", "delete", &host.address, "--evict", "--state-dir", state];
    Finished::of(&mut agent(evict)).expect(0);
    cluster.api("GET", &runner(&host.address), None).failed(404, "runners.runner_not_found");
    let refused = || host.status_json()["problem"]["code"] == "host.removed";
    assert!(within(Duration::from_secs(10), refused), "{}", host.status_json());
    assert!(cluster.is_connected(&other.address));
    let first = runner(&cluster.first.address) + "?evict=true";
    cluster.api("DELETE", &first, None).failed(400, "runners.runner_deletion_failed");
}
