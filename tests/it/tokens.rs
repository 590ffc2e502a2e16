//! Roles tokens: made, listed, revoked.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Host, agent, agent_path};

const TOKENS: &str = "/platform/configuration/security/enrollment-tokens";

fn inspect(token: &Value) -> Value {
    Finished::of(&mut agent(["token", "inspect", "--json", token.as_str().unwrap()])).json()
}

#[test]
fn a_persistent_token_comes_with_its_id_and_an_ephemeral_one_without() {
    let cluster = Cluster::start();
    let persistent = cluster.create_token(json!({ "persistent": true, "roles": ["allocator"] }));
    assert_eq!(inspect(&persistent["token"])["token_id"], persistent["token_id"]);
    assert_eq!(inspect(&persistent["token"])["persistent"], true);
    for request in [
        json!({ "persistent": false }),
        json!({ "persistent": false, "roles": null }),
        json!({ "persistent": false, "roles": [], "validity_in_seconds": 3600 }),
    ] {
        let before = ece_agent::rt::Clock::system().now().unix_seconds();
        let ephemeral = cluster.create_token(request);
        assert_eq!(ephemeral.get("token_id"), None);
        let seen = inspect(&ephemeral["token"]);
        assert_eq!(seen["roles"], json!([]));
        let expiry = seen["expires_at"].as_str().unwrap();
        let expiry = ece_agent::rt::Timestamp::parse_rfc3339(expiry).unwrap().unix_seconds();
        assert!((3600..3630).contains(&(expiry - before)), "{expiry}");
    }
}

#[test]
fn only_persistent_tokens_are_listed_and_never_their_texts() {
    let cluster = Cluster::start();
    let token = cluster.create_token(
        json!({ "persistent": true, "roles": ["proxy"], "description": "racks", "max_uses": 7 }),
    );
    cluster.create_token(json!({ "persistent": false, "roles": ["proxy"] }));
    let reply = cluster.api("GET", TOKENS, None).expect(200);
    let tokens = reply.json()["tokens"].as_array().unwrap().clone();
    assert_eq!(tokens.len(), 4, "{tokens:?}");
    let listed = tokens.iter().find(|listed| listed["token_id"] == token["token_id"]).unwrap();
    assert_eq!(listed["roles"], json!(["proxy"]));
    assert_eq!(listed["description"], "racks");
    assert_eq!(listed["max_uses"], 7);
    assert!(!reply.body.contains("eyJ"));
}

#[test]
fn a_request_that_is_not_valid_names_its_field() {
    let cluster = Cluster::start();
    for (request, field) in [
        (json!({ "persistent": true, "roles": ["king"] }), "roles"),
        (json!({ "persistent": true, "validity_in_seconds": 60 }), "validity_in_seconds"),
        (json!({ "persistent": false, "validity_in_seconds": 0 }), "validity_in_seconds"),
        (json!({ "persistent": false, "validity_in_seconds": 31_536_001 }), "validity_in_seconds"),
        (json!({ "persistent": false, "max_uses": 0 }), "max_uses"),
    ] {
        let reply = cluster.api("POST", TOKENS, Some(request));
        let error = reply.failed(400, "enrollment_tokens.invalid_token_request");
        assert_eq!(error["fields"], json!([field]));
    }
    for request in [json!({}), json!({ "persistent": "yes" }), json!([1])] {
        let reply = cluster.api("POST", TOKENS, Some(request));
        reply.failed(400, "enrollment_tokens.invalid_token_request");
    }
    let url = cluster.url(TOKENS);
    let ask = |flags: &[&str]| {
        crate::support::Reply::to(&[&["-u", &cluster.admin(), &url], flags].concat())
    };
    ask(&["-d", "not json"]).failed(400, "enrollment_tokens.invalid_token_request");
    // What a web page can make a browser send is no change.
    for kind in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let header = format!("Content-Type: {kind}");
        let body = r#"{"persistent":true}"#;
        ask(&["-H", &header, "-d", body]).failed(415, "root.unsupported_media_type");
    }
    let json = ["-H", "Content-Type: application/json", "-d", r#"{"persistent":true}"#];
    let forged = [&json[..], &["-H", "Sec-Fetch-Site: cross-site"]].concat();
    ask(&forged).failed(403, "root.unauthorized.rbac");
    let own = [&json[..], &["-H", "Sec-Fetch-Site: same-origin"]].concat();
    ask(&own).expect(200);
    // Also from another port of the same host, and of what says nothing of JSON as it has no body.
    let here = format!("https://{}", cluster.first.address);
    let maintenance = cluster.url(&format!(
        "/platform/infrastructure/allocators/{}/maintenance-mode/_start",
        cluster.first.address
    ));
    for origin in ["https://evil.example", &format!("{here}:9243"), "null"] {
        let origin = format!("Origin: {origin}");
        let flags = ["-u", &cluster.admin(), "-X", "POST", "-H", &origin, &maintenance];
        crate::support::Reply::to(&flags).failed(403, "root.unauthorized.rbac");
    }
    let origin = format!("Origin: {here}:12443");
    ask(&[&json[..], &["-H", &origin]].concat()).expect(200);
}

#[test]
fn a_token_is_revoked_by_its_id_or_its_text_and_then_unknown() {
    let cluster = Cluster::start();
    let by_id = cluster.create_token(json!({ "persistent": true }));
    let by_text = cluster.create_token(json!({ "persistent": true }));
    let ephemeral = cluster.create_token(json!({ "persistent": false }));
    let names = [&by_id["token_id"], &by_text["token"], &ephemeral["token"]];
    for name in names {
        let path = format!("{TOKENS}/{}", name.as_str().unwrap());
        assert_eq!(cluster.api("DELETE", &path, None).expect(200).body, "{}");
        cluster.api("DELETE", &path, None).failed(404, "enrollment_tokens.invalid_token_id");
    }
    for unknown in ["x", "7a4db5a0-d05b-43f7-84a3-cddb81f5254f", "a%2Fb"] {
        let path = format!("{TOKENS}/{unknown}");
        cluster.api("DELETE", &path, None).failed(404, "enrollment_tokens.invalid_token_id");
    }
}

#[test]
fn from_the_reply_on_a_revoked_token_lets_nobody_in() {
    let cluster = Cluster::start();
    let token = cluster.create_token(json!({ "persistent": true, "roles": ["allocator"] }));
    let text = token["token"].as_str().unwrap();
    let mut before = cluster.host(2);
    cluster.install(&mut before, text, &["--roles", "allocator"]);
    before.wait_connected();
    let path = format!("{TOKENS}/{}", token["token_id"].as_str().unwrap());
    cluster.api("DELETE", &path, None).expect(200);
    let after = cluster.host(3);
    cluster.try_install(&after, text, &["--roles", "allocator"]).refused(14, "token.revoked");
    assert!(cluster.allocator(&after.address).is_none());
    assert!(cluster.is_connected(&before.address));
}

#[test]
fn a_token_with_a_limit_lets_in_so_many_hosts_and_no_more() {
    let cluster = Cluster::start();
    let token = cluster.create_token(json!({ "persistent": false, "max_uses": 2 }));
    let text = token["token"].as_str().unwrap();
    let mut hosts: Vec<Host> = (2..4).map(|number| cluster.host(number)).collect();
    for host in &mut hosts {
        cluster.install(host, text, &[]);
        host.wait_connected();
    }
    cluster.try_install(&cluster.host(4), text, &[]).refused(14, "token.used_up");
}

#[test]
fn the_store_keeps_neither_texts_nor_passwords() {
    let mut cluster = Cluster::start();
    let token = cluster.token("allocator");
    let secrets = [token, cluster.secret("adminconsole_root_password")];
    cluster.first.stop();
    let store = cluster.first.state.join("coordinator");
    let files = ["store.db", "store.db-wal"].map(|file| fs::read(store.join(file)));
    let bytes: Vec<u8> = files.into_iter().flatten().flatten().collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("allocator"), "what is stored is not in these files");
    for secret in &secrets {
        assert!(!holds(secret), "a secret is in the datastore");
    }
}

#[test]
fn the_command_line_makes_lists_and_revokes_tokens() {
    let cluster = Cluster::start();
    let state = ["--state-dir", cluster.first.state.to_str().unwrap()];
    let call = |arguments: &[&str]| Finished::of(agent(["token"]).args(arguments).args(state));
    let made = call(&["create", "--roles", "allocator", "--persistent", "--json"]).expect(0).json();
    let id = made["token_id"].as_str().unwrap();
    assert!(call(&["list"]).expect(0).stdout.contains(id));
    call(&["revoke", id]).expect(0);
    assert!(!call(&["list"]).expect(0).stdout.contains(id));
    call(&["revoke", id]).refused(14, "api.refused");
    let text = call(&["create", "--validity", "60"]).expect(0).stdout;
    let token = text.lines().next().unwrap();
    assert_eq!(call(&["revoke", token]).expect(0).code, 0);
}

#[test]
fn the_command_line_asks_a_coordinator_elsewhere_with_pin_and_password_file() {
    let cluster = Cluster::start();
    let password = cluster.first.state.with_extension("password");
    fs::write(&password, cluster.secret("adminconsole_readonly_password") + "\n").unwrap();
    let token = json!(cluster.secret("allocator_only_token"));
    let pin = inspect(&token)["pins"][0].as_str().unwrap().to_owned();
    let elsewhere = cluster.host(9).state.clone();
    let call = |flags: &[&str]| {
        let mut command = agent(["token", "list", "--coordinator-host", &cluster.first.address]);
        command.arg("--state-dir").arg(&elsewhere).args(flags);
        Finished::of(command.arg("--password-file").arg(&password))
    };
    call(&["--ca-fingerprint", &pin, "--user", "readonly"]).refused(14, "api.forbidden");
    call(&["--ca-fingerprint", &pin, "--user", "admin"]).refused(14, "api.unauthenticated");
    call(&["--user", "readonly"]).refused(13, "trust.no_pin");
    let other = format!("sha256:{}", "0".repeat(64));
    call(&["--ca-fingerprint", &other]).refused(13, "trust.pin_mismatch");
}

#[test]
fn the_join_command_that_create_prints_works_as_it_stands() {
    let cluster = Cluster::start();
    let state = cluster.first.state.to_str().unwrap();
    let made = Finished::of(&mut agent([
        "token",
        "create",
        "--roles",
        "allocator",
        "--json",
        "--state-dir",
        state,
    ]));
    let command = made.json()["join_command"].as_str().unwrap().to_owned();
    let host = cluster.host(2);
    let dir: &Path = agent_path().parent().unwrap();
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let mut bash = std::process::Command::new("bash");
    bash.env("PATH", path)
        .env("ECE_AGENT_STATE_DIR", &host.state)
        .env("ECE_AGENT_HOST_STORAGE_PATH", &host.storage)
        .env("ECE_AGENT_HOST_IP", &host.address)
        .env("ECE_AGENT_FORCE", "true")
        .args(["-c", &command]);
    Finished::of(&mut bash).expect(0);
    assert!(cluster.allocator(&host.address).unwrap()["status"]["connected"] == true);
    host.stop_background();
}

#[test]
fn a_token_for_roles_that_only_the_first_host_can_have_is_made_with_a_warning() {
    let cluster = Cluster::start();
    let create = |roles: &str| {
        let mut command = agent(["token", "create", "--roles", roles, "--state-dir"]);
        Finished::of(command.arg(&cluster.first.state)).expect(0)
    };
    for (roles, named) in [
        ("director", "the role director"),
        ("allocator,coordinator,director", "the roles coordinator,director"),
    ] {
        let made = create(roles);
        assert!(made.stdout.starts_with("eyJ"), "{made:?}");
        let warned = made.stderr.contains("[join.role_not_available]");
        assert!(warned && made.stderr.contains(named), "{made:?}");
        assert!(made.stderr.contains("'ece-agent token revoke "), "{made:?}");
    }
    assert_eq!(create("allocator,proxy").stderr, "");
}
