//! What operators mistype, and what they are told then.

use std::{fs, process::Command};

use crate::support::{Cluster, Finished, agent, agent_path};

#[test]
fn a_mistake_on_the_command_line_has_a_code_and_is_json_where_that_was_asked_for() {
    for line in [&["status", "--no-such-flag"][..], &["dance"], &["host", "roles", "a"]] {
        let told = Finished::of(&mut agent(line)).refused(3, "config.invalid");
        assert!(told.stdout.is_empty() && told.stderr.contains("--help"), "{told:?}");
        let told = Finished::of(agent(line).arg("--json")).expect(3);
        let event = &told.events()[0];
        assert_eq!((&event["event"], &event["code"]), (&"failed".into(), &"config.invalid".into()));
        assert!(event["fix"].as_str().unwrap().contains("--help"), "{event}");
        assert!(told.stderr.is_empty(), "{told:?}");
    }
    Finished::of(&mut agent(["--help"])).expect(0);
}

#[test]
fn without_a_home_directory_that_is_one_nothing_is_kept_where_the_command_is_called() {
    let dir = tempfile::tempdir().unwrap();
    for home in ["", "relative"] {
        let mut login = agent(["login", "127.0.0.99"]);
        login.env("HOME", home).current_dir(dir.path());
        let told = Finished::of(&mut login).refused(3, "config.invalid").stderr;
        assert!(told.contains("--profile"), "{told}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_name_that_would_lead_to_another_url_is_refused_before_anybody_is_asked() {
    for name in ["", ".", ".."] {
        for verb in ["show", "delete", "disable"] {
            Finished::of(&mut agent(["user", verb, name])).refused(3, "config.invalid");
        }
        let label = format!("{name}=value");
        Finished::of(&mut agent(["host", "label", "a", &label])).refused(3, "config.invalid");
    }
}

#[test]
fn a_file_that_is_given_as_a_token_is_told_to_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token.txt");
    std::fs::write(&file, "x").unwrap();
    let told = Finished::of(agent(["token", "inspect"]).arg(&file)).refused(10, "token.malformed");
    let command = format!("'ece-agent token inspect --file {}'", file.display());
    assert!(told.stderr.contains(&command), "{told:?}");
    let told = Finished::with_input(&mut agent(["token", "inspect", "-"]), "x");
    let told = told.refused(10, "token.malformed").stderr;
    assert!(!told.contains("'ece-agent token inspect -'"), "{told}");
}

#[test]
fn a_process_that_may_open_next_to_nothing_says_so() {
    let program = agent_path().display();
    let pin = format!("sha256:{}", "0".repeat(64));
    let line = format!(
        "ulimit -n 6; '{program}' host list --coordinator-host 127.0.0.99 --ca-fingerprint {pin} --password-file /etc/hostname"
    );
    let told = Finished::of(Command::new("bash").args(["-c", &line])).refused(1, "internal");
    assert!(told.stderr.contains("ulimit -n") && !told.stderr.contains("panicked"), "{told:?}");
}

/// A token as no coordinator of ours makes it, with these claims beside its id.
fn token_with(more: serde_json::Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(serde_json::json!({ "typ": "JWT", "alg": "HS256" }));
    let mut claims = serde_json::json!({
        "sub": "46977b7d-a3e6-4605-b70d-1723129af8e4", "iss": "current", "persistent": true,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{header}.{}.{}", part(claims), URL_SAFE_NO_PAD.encode([0; 32]))
}

#[test]
fn a_dry_run_refuses_a_token_that_leads_nowhere_as_the_installation_does() {
    let dir = tempfile::tempdir().unwrap();
    let pin = format!("sha256:{}", "0".repeat(64));
    let hosts = serde_json::json!({ "hosts": ["127.0.0.99:12343"] });
    for (claims, code) in [
        (serde_json::json!({ "ca": [pin] }), "config.invalid"),
        (hosts, "trust.no_pin"),
        (serde_json::json!({}), "config.invalid"),
    ] {
        let file = dir.path().join("token.txt");
        std::fs::write(&file, token_with(claims)).unwrap();
        let refused = |more: &[&str]| {
            let mut install = agent(["install", "--json", "--state-dir"]);
            install.arg(dir.path().join("state")).arg("--host-storage-path");
            install.arg(dir.path().join("storage")).arg("--roles-token-file").arg(&file);
            let told = Finished::of(install.args(more));
            let event = told.events().pop().unwrap();
            assert_eq!(event["event"], "failed", "{told:?}");
            event
        };
        let planned = refused(&["--dry-run"]);
        assert_eq!(planned["code"], code, "{planned}");
        assert_eq!(planned, refused(&[]));
    }
}

#[test]
fn a_mistake_in_a_config_file_is_told_with_file_line_key_and_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let told = |content: &str, code: &str| {
        fs::write(&file, content).unwrap();
        let mut install = agent(["install", "--dry-run", "--state-dir"]);
        install.arg(dir.path().join("state")).arg("--config-file").arg(&file);
        Finished::of(&mut install).refused(3, code).stderr
    };
    let name = file.display();
    let form = told("# ours\nforce = 'perhaps'\n", "config.file");
    let expected = "line 2: force: ";
    assert!(form.contains(&format!("the config file {name} is not valid: {expected}")), "{form}");
    let value = told("capacity = '1'\n", "config.invalid");
    assert!(value.contains(&format!("capacity in {name}: it is in MB")), "{value}");
    // A number is as good as its text.
    let value = told("capacity = 1\n", "config.invalid");
    assert!(value.contains(&format!("capacity in {name}: it is in MB")), "{value}");
    let profile = dir.path().join("profile.toml");
    fs::write(&profile, "coordinator-host = []\nuser = { a = 1 }\n").unwrap();
    let mut list = agent(["host", "list", "--profile"]);
    let told = Finished::of(list.arg(&profile)).refused(3, "profile.invalid").stderr;
    assert!(told.contains("line 2: user: "), "{told}");
}

#[test]
fn what_a_config_file_asks_of_a_member_is_told_as_the_files() {
    let cluster = Cluster::start();
    let file = cluster.first.state.join("../config.toml");
    let told = |content: &str, code: i32, name: &str| {
        fs::write(&file, content).unwrap();
        let mut install = cluster.first.install_command(&["--force", "--config-file"]);
        Finished::of(install.arg(&file)).refused(code, name).stderr
    };
    for (key, code, name) in
        [("runner-id", 3, "install.runner_id_differs"), ("roles", 14, "join.roles_differ")]
    {
        let value = if key == "roles" { "allocator" } else { "other" };
        let told = told(&format!("{key} = '{value}'\n"), code, name);
        let (says, fix) = (
            format!("{key} in {}", file.display()),
            format!("Take {key} out of {}", file.display()),
        );
        assert!(
            told.contains(&says) && told.contains(&fix) && !told.contains(&format!("--{key}")),
            "{told}"
        );
    }
}

#[test]
fn the_installer_script_takes_no_installed_program_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("elastic-cloud-enterprise.sh");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/elastic-cloud-enterprise.sh"), &script)
        .unwrap();
    let mut upgrade = Command::new("bash");
    upgrade.arg(&script).arg("upgrade").env_remove("ECE_AGENT_BINARY");
    let path = format!("{}:/usr/bin:/bin", agent_path().parent().unwrap().display());
    let told = Finished::of(upgrade.env("PATH", path)).refused(1, "program.missing").stderr;
    assert!(told.contains("--binary FILE"), "{told}");
}

#[test]
fn a_secret_in_the_place_of_something_else_is_not_printed() {
    let secret = "c2VjcmV0LW9mLWEtdG9rZW4";
    let token = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.{secret}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, format!("roles-token-file = {token:?}\n")).unwrap();
    let config = file.to_str().unwrap();
    let ask = ["--coordinator-host", "127.0.0.99", "--ca-fingerprint"];
    let pin = format!("sha256:{}", "a".repeat(64));
    for line in [
        &["install", "--dry-run", "--coordinator-host", "127.0.0.99", "--roles-token-file", &token]
            [..],
        &["install", "--dry-run", "--coordinator-host", "127.0.0.99", "--config-file", config],
        &["install", &token],
        &["host", "show", &token, &token],
        &["token", "inspect", "--no-such-flag", &token],
        &[&["host", "list"], &ask[..], &[&pin, "--password-file", &token]].concat(),
        &[&["host", "list"], &ask[..], &[&pin, "--api-key-file", &token]].concat(),
    ] {
        for json in [false, true] {
            let mut command = agent(line);
            command.args(json.then_some("--json")).env("HOME", dir.path());
            let told = Finished::of(command.arg("--state-dir").arg(dir.path().join("state")));
            let said = format!("{}{}", told.stdout, told.stderr);
            assert!(!said.is_empty() && !said.contains(secret), "{line:?}: {said}");
        }
    }
}
