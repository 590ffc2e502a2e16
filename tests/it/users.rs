//! Users that an admin has made: from the first login to the last.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Reply, Terminal, agent};

const AUDIT: &str = "/platform/configuration/audit";

fn make(cluster: &Cluster, name: &str, password: &str) {
    let security = json!({ "password": password, "roles": ["ece_platform_viewer"] });
    let body = json!({ "user_name": name, "security": security });
    cluster.api("POST", "/users", Some(body)).expect(200);
}

/// All that somebody can have to get in with.
struct Credentials {
    basic: String,
    bearer: String,
    key: String,
}

impl Credentials {
    fn of(cluster: &Cluster, name: &str, password: &str) -> Self {
        let login = json!({ "username": name, "password": password });
        let bearer = cluster.api("POST", "/users/auth/_login", Some(login)).expect(200).json();
        let basic = format!("{name}:{password}");
        let key = json!({ "description": "d" });
        let key = cluster.api_as(&basic, "POST", "/users/auth/keys", Some(key)).expect(201).json();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        Self { basic, bearer: text(&bearer["token"]), key: text(&key["key"]) }
    }

    /// The statuses that basic, bearer and key get.
    fn statuses(&self, cluster: &Cluster) -> [u16; 3] {
        let url = cluster.url("/platform/infrastructure/runners");
        let bearer = format!("Authorization: Bearer {}", self.bearer);
        let key = format!("Authorization: ApiKey {}", self.key);
        [["-u", &self.basic], ["-H", &bearer], ["-H", &key]]
            .map(|[flag, value]| Reply::to(&[flag, value, &url]).status)
    }
}

fn enable(cluster: &Cluster, name: &str, enabled: bool) {
    let change = json!({ "security": { "enabled": enabled } });
    let user = cluster.api("PATCH", &format!("/users/{name}"), Some(change)).expect(200).json();
    assert_eq!(user["security"]["enabled"], enabled);
}

#[test]
fn whoever_is_disabled_or_deleted_is_out_at_once_with_all_they_have() {
    let cluster = Cluster::start();
    make(&cluster, "bob", "first-password");
    let bob = Credentials::of(&cluster, "bob", "first-password");
    assert_eq!(bob.statuses(&cluster), [200; 3]);
    enable(&cluster, "bob", false);
    assert_eq!(bob.statuses(&cluster), [401; 3]);
    let login = json!({ "username": "bob", "password": "first-password" });
    let login = || cluster.api("POST", "/users/auth/_login", Some(login.clone()));
    login().failed(401, "root.unauthenticated");
    cluster
        .with_bearer(&bob.bearer, "POST", "/users/auth/_refresh")
        .failed(401, "root.unauthorized");
    let listed = |query: &str| cluster.api("GET", &format!("/users{query}"), None).body;
    assert!(!listed("").contains("bob") && listed("?include_disabled=true").contains("bob"));
    enable(&cluster, "bob", true);
    // Sessions do not come back; keys were made to last.
    assert_eq!(bob.statuses(&cluster), [200, 401, 200]);

    cluster.api("DELETE", "/users/bob", None).expect(200);
    assert_eq!(bob.statuses(&cluster), [401; 3]);
    // Somebody else of the same name, even with the same password.
    make(&cluster, "bob", "first-password");
    assert_eq!(bob.statuses(&cluster), [200, 401, 401]);
    let keys = cluster.api("GET", "/users/bob/auth/keys", None).expect(200).json();
    assert_eq!(keys["keys"], json!([]));
}

#[test]
fn another_password_ends_sessions_and_keys_whoever_has_set_it() {
    let cluster = Cluster::start();
    make(&cluster, "bob", "first-password");
    let first = Credentials::of(&cluster, "bob", "first-password");
    let second = json!({ "security": { "password": "second-password" } });
    cluster.api("PATCH", "/users/bob", Some(second)).expect(200);
    assert_eq!(first.statuses(&cluster), [401; 3]);
    let second = Credentials::of(&cluster, "bob", "second-password");
    let third = json!({ "security": { "password": "third-password" } });
    cluster.api_as(&second.basic, "PATCH", "/user", Some(third)).expect(200);
    assert_eq!(second.statuses(&cluster), [401; 3]);
    Reply::to(&["-u", "bob:third-password", &cluster.url("/user")]).expect(200);
}

#[test]
fn a_key_does_not_change_its_own_user() {
    let cluster = Cluster::start();
    make(&cluster, "bob", "first-password");
    let bob = Credentials::of(&cluster, "bob", "first-password");
    let change = |credential: &str, path: &str, change: Value| {
        let credential = format!("Authorization: {credential}");
        let (json, body) = ("Content-Type: application/json", change.to_string());
        Reply::to(&["-X", "PATCH", "-H", &credential, "-H", json, "-d", &body, &cluster.url(path)])
    };
    let by_key = format!("ApiKey {}", bob.key);
    let password = json!({ "security": { "password": "second-password" } });
    let name = json!({ "full_name": "Bob" });
    for path in ["/user", "/users/bob"] {
        for refused in [&password, &name] {
            change(&by_key, path, refused.clone()).failed(400, "user.restricted_field");
        }
        change(&by_key, path, json!({ "full_name": "" })).expect(200);
    }
    assert_eq!(bob.statuses(&cluster), [200; 3]);
    let by_login = format!("Bearer {}", bob.bearer);
    change(&by_login, "/user", password).expect(200);
    assert_eq!(bob.statuses(&cluster), [401; 3]);
}

#[test]
fn roles_count_from_the_reply_on_for_sessions_and_keys_too() {
    let cluster = Cluster::start();
    make(&cluster, "bob", "first-password");
    let bob = Credentials::of(&cluster, "bob", "first-password");
    let roles = json!({ "security": { "roles": ["ece_deployment_manager"] } });
    cluster.api("PATCH", "/users/bob", Some(roles)).expect(200);
    assert_eq!(bob.statuses(&cluster), [403; 3]);
    let viewer = json!({ "platform": [{ "role_id": "ece_platform_viewer" }] });
    let assignments = "/users/bob/role_assignments";
    cluster.api("POST", assignments, Some(viewer.clone())).expect(200);
    assert_eq!(bob.statuses(&cluster), [200; 3]);
    cluster.api("DELETE", assignments, Some(viewer)).expect(200);
    assert_eq!(bob.statuses(&cluster), [403; 3]);
    for (body, status, code) in [
        (json!({ "platform": [{ "role_id": "root" }] }), 400, "user.roles.invalid"),
        (json!({ "organization": [{ "role_id": "owner" }] }), 501, "root.not_implemented"),
        (
            json!({ "deployment": [{ "role_id": "ece_deployment_viewer", "deployment_ids": ["a"] }] }),
            501,
            "root.not_implemented",
        ),
    ] {
        cluster.api("POST", assignments, Some(body)).failed(status, code);
    }
}

#[test]
fn an_admin_who_was_made_may_do_all_but_lock_themselves_out() {
    let cluster = Cluster::start();
    make(&cluster, "root", "first-password");
    let admin = json!({ "platform": [{ "role_id": "ece_platform_admin" }] });
    cluster.api("POST", "/users/root/role_assignments", Some(admin.clone())).expect(200);
    let root = "root:first-password";
    let call =
        |method: &str, path: &str, body: Value| cluster.api_as(root, method, path, Some(body));
    call("GET", AUDIT, json!({})).expect(200);
    call("DELETE", "/users/root", json!({})).failed(400, "user.restricted_deletion");
    call("DELETE", "/users/root/role_assignments", admin)
        .failed(403, "role_assignments.unauthorized_role_assignments");
    call("PATCH", "/users/root", json!({ "security": { "enabled": false } }))
        .failed(400, "user.restricted_field");
    let refused = call("PATCH", "/users/admin", json!({ "security": { "enabled": false } }));
    let refused = refused.failed(400, "user.cannot_modify")["message"].clone();
    assert!(!refused.as_str().unwrap().contains("password"), "{refused}");
    call("DELETE", "/users/admin", json!({})).failed(400, "user.cannot_modify");
    let password = json!({ "security": { "password": "whatever-it-is" } });
    let refused = call("PATCH", "/users/admin", password).failed(400, "user.cannot_modify");
    let told = refused["message"].as_str().unwrap();
    assert!(told.contains("ece-agent reset-password --user admin"), "{told}");
}

#[test]
fn the_audit_tells_what_was_done_with_users_and_no_password() {
    let cluster = Cluster::start();
    make(&cluster, "bob", "first-password");
    let change = json!({ "full_name": "Bob", "security": { "password": "second-password" } });
    cluster.api("PATCH", "/users/bob", Some(change)).expect(200);
    let change = json!({ "security": { "password": "third-password" } });
    cluster.api("PATCH", "/users/bob", Some(change)).expect(200);
    cluster.api("PATCH", "/users/bob", Some(json!({ "full_name": "Bob" }))).expect(200);
    cluster.api("DELETE", "/users/bob", None).expect(200);
    let reply = cluster.api("GET", &format!("{AUDIT}?subject=bob"), None).expect(200);
    let (body, page) = (&reply.body, reply.json());
    let records = page["records"].as_array().unwrap();
    let actions: Vec<_> = records.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["user.delete", "user.password", "user.update", "user.create"]);
    assert_eq!(records[2]["before"], json!({ "full_name": "" }));
    assert_eq!(records[2]["after"], json!({ "full_name": "Bob", "password": "changed" }));
    let log = cluster.first.log();
    for secret in ["first-password", "second-password", "third-password", "argon2"] {
        assert!(!body.contains(secret) && !log.contains(secret), "{secret}");
    }
}

#[test]
fn users_are_made_changed_and_deleted_by_the_command_line() {
    let cluster = Cluster::start();
    let call = |arguments: &[&str]| {
        let mut command = agent(["user"]);
        command.args(arguments).arg("--state-dir").arg(&cluster.first.state);
        Finished::of(&mut command)
    };
    let file = cluster.first.state.with_extension("password");
    let password = |text: &str| {
        fs::write(&file, format!("{text}\n")).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let first = password("first-password");
    let roles = "ece_platform_viewer,ece_deployment_manager";
    let create = ["create", "bob", "--roles", roles, "--full-name", "Bob B"];
    let made = call(&[&create[..], &["--new-password-file", &first]].concat()).expect(0).stdout;
    assert!(made.contains(roles), "{made}");
    let gets = |password: &str, status| {
        let user = format!("bob:{password}");
        let reply = Reply::to(&["-u", &user, &cluster.url("/user")]);
        assert_eq!(reply.status, status, "{reply:?}");
    };
    gets("first-password", 200);
    let as_bob = |arguments: &[&str]| {
        let mut command = agent(arguments);
        command.args(["--user", "bob", "--password-file"]).arg(&file);
        Finished::of(command.arg("--state-dir").arg(&cluster.first.state))
    };
    as_bob(&["host", "list"]).expect(0);
    let forbidden = as_bob(&["token", "list"]).refused(14, "api.forbidden");
    assert!(forbidden.stderr.contains("ece-agent user update"), "{forbidden:?}");
    call(&["disable", "bob"]).expect(0);
    gets("first-password", 401);
    as_bob(&["host", "list"]).refused(14, "api.unauthenticated");
    let listed = call(&["list"]).expect(0).stdout;
    let bob = listed.lines().find(|line| line.starts_with("bob")).unwrap();
    assert!(bob.contains("disabled") && bob.contains("Bob B"), "{listed}");
    call(&["enable", "bob"]).expect(0);
    let second = password("second-password");
    call(&["update", "bob", "--roles", "", "--new-password-file", &second]).expect(0);
    gets("first-password", 401);
    gets("second-password", 200);
    let whoami = as_bob(&["whoami"]).expect(0).stdout;
    assert!(whoami.contains("bob") && whoami.contains("roles        none"), "{whoami}");
    let shown = call(&["show", "bob"]).expect(0).stdout;
    assert!(shown.contains("roles      none") && shown.contains("by user admin"), "{shown}");
    assert_eq!(call(&["show", "bob", "--json"]).json()["security"]["roles"], json!([]));
    call(&["delete", "bob"]).expect(0);
    gets("second-password", 401);

    let refused = call(&["show", "../platform"]).refused(14, "api.refused").stderr;
    assert!(refused.contains("user.not_found"), "{refused}");
    let refused = call(&["delete", "readonly"]).refused(14, "api.refused").stderr;
    assert!(refused.contains("user.cannot_modify"), "{refused}");
    call(&["update", "bob"]).refused(3, "config.invalid");
    let none = call(&["create", "bob"]).refused(3, "config.invalid");
    assert!(none.stderr.contains("--new-password-file"), "{none:?}");
}

#[test]
fn a_new_users_password_is_asked_for_twice_and_unseen() {
    let cluster = Cluster::start();
    let create = || {
        let mut command = agent(["user", "create", "bob", "--state-dir"]);
        let mut terminal = Terminal::start(100, command.arg(&cluster.first.state));
        terminal.sees("new password of bob");
        terminal.types("first-password\n");
        terminal.sees("once more");
        terminal
    };
    let mut mistyped = create();
    mistyped.types("firs-tpassword\n");
    let (code, shown) = mistyped.end();
    assert!(code == 3 && shown.contains("not the same"), "{shown}");
    let mut right = create();
    right.types("first-password\n");
    let (code, shown) = right.end();
    assert!(code == 0 && !shown.contains("first-password"), "{shown}");
    Reply::to(&["-u", "bob:first-password", &cluster.url("/user")]).expect(200);
}
