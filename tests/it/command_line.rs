//! What operators type, and what they get to copy.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Host, agent, agent_path};

/// A call with a home directory of its own.
fn at_home<'a>(home: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = agent(arguments);
    command.env("HOME", home).env_remove("XDG_STATE_HOME");
    command
}

/// Runs a line that was printed to be copied, with this program as the one that it names.
fn copied(line: &str, home: &Path) -> Finished {
    let dir = agent_path().parent().unwrap();
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    Finished::of(bash.env("PATH", path).env("HOME", home).args(["-c", line]))
}

fn after<'a>(text: &'a str, beginning: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(beginning));
    line.unwrap_or_else(|| panic!("{beginning:?} is not in {text}"))
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// A cluster with an empty home directory beside it.
fn cluster_and_home() -> (Cluster, tempfile::TempDir) {
    (Cluster::start(), tempfile::tempdir().unwrap())
}

fn pin_of(host: &Host) -> String {
    let told = Finished::of(agent(["ca", "show", "--json", "--state-dir"]).arg(&host.state));
    told.json()["fingerprints"][0].as_str().unwrap().to_owned()
}

#[test]
fn what_an_installation_prints_to_be_copied_works_when_it_is_copied() {
    let cluster = Cluster::prepare();
    let home = tempfile::tempdir().unwrap();
    let flags = ["--force", "--timeout", "60"];
    let told = Finished::of(cluster.first.install_command(&flags).env("HOME", home.path()));
    let told = told.expect(0).stderr;
    assert!(!told.contains("eyJ") && told.contains("--show-secrets"), "{told}");
    let made = copied(after(&told, "to add a host: "), home.path()).expect(0);
    assert!(made.stdout.starts_with("eyJ"), "{made:?}");
    copied(after(&told, "next: "), home.path()).expect(0);
    cluster.first.stop_background();
}

#[test]
fn what_explanations_and_examples_tell_to_call_can_be_called() {
    let mut texts: Vec<String> =
        ece_agent::model::Code::ALL.iter().map(|code| code.fix().to_owned()).collect();
    fn examples(command: &clap::Command, texts: &mut Vec<String>) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let after = after.replace("\\\n", " ");
        let lines = after.lines().filter(|line| line.trim().starts_with("ece-agent "));
        texts.extend(lines.map(|line| format!("'{}'", line.trim().replace('\'', ""))));
        command.get_subcommands().for_each(|verb| examples(verb, texts));
    }
    examples(&ece_agent::cli::command(), &mut texts);
    let mut tried = 0;
    for text in &texts {
        for (at, _) in text.match_indices("'ece-agent ") {
            let line = text[at + 1..].split_once('\'').unwrap().0.split(['>', '<']).next().unwrap();
            // What follows far off is a remark.
            let line = line.split("    ").next().unwrap();
            let line = line
                .replace("ROLES", "proxy")
                .replace("sha256:…", &format!("sha256:{}", "0".repeat(64)));
            let words = line.split_whitespace().filter(|word| *word != "…");
            let parsed = ece_agent::cli::command().try_get_matches_from(words);
            if let Err(error) = parsed
                && error.use_stderr()
            {
                panic!("{line}: {error}");
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn a_state_directory_or_coordinator_that_is_named_beats_the_usual_profile() {
    let (cluster, home) = cluster_and_home();
    let other = Cluster::start();
    let password = home.path().join("password");
    fs::write(&password, other.secret("adminconsole_root_password")).unwrap();
    let login = ["login", &other.first.address, "--ca-fingerprint", &pin_of(&other.first)];
    Finished::of(at_home(home.path(), login).arg("--password-file").arg(&password)).expect(0);
    let hosts = |flags: &[&str]| {
        let mut command = at_home(home.path(), ["host", "list", "--json"]);
        Finished::of(command.args(flags)).expect(0).json()["runners"][0]["runner_id"].clone()
    };
    assert_eq!(hosts(&[]), other.first.address);
    let state = cluster.first.state.to_str().unwrap();
    assert_eq!(hosts(&["--state-dir", state]), cluster.first.address);
    assert_eq!(hosts(&["--coordinator-host", &other.first.address]), other.first.address);
    // Neither key nor pin of the profile is for another coordinator.
    let elsewhere = ["host", "list", "--coordinator-host", &cluster.first.address];
    let told = Finished::of(&mut at_home(home.path(), elsewhere)).refused(13, "trust.no_pin");
    assert!(
        told.stderr.contains("profile.toml is left out because of --coordinator-host"),
        "{told:?}"
    );
    let empty = ["host", "list", "--state-dir", "/nonexistent"];
    let told = Finished::of(&mut at_home(home.path(), empty)).refused(3, "config.invalid");
    assert!(
        told.stderr.contains("/nonexistent")
            && told.stderr.contains("left out because of --state-dir"),
        "{told:?}"
    );
    // What was used is said where it is not accepted.
    fs::write(home.path().join(".config/ece-agent/profile.key"), "bm9ib2R5OnNlY3JldA==").unwrap();
    let told = Finished::of(&mut at_home(home.path(), ["host", "list"]));
    let told = told.refused(14, "api.unauthenticated");
    for part in ["profile.toml", "profile.key", &other.first.address] {
        assert!(told.stderr.contains(part), "{part}: {told:?}");
    }
}

#[test]
fn the_password_of_this_cluster_is_sent_to_no_other_one() {
    let (cluster, home) = cluster_and_home();
    let other = Cluster::start();
    let state = cluster.first.state.to_str().unwrap();
    let command =
        ["host", "list", "--state-dir", state, "--coordinator-host", &other.first.address];
    let told = Finished::of(
        at_home(home.path(), command).args(["--ca-fingerprint", &pin_of(&other.first)]),
    );
    told.refused(3, "config.invalid");
}

#[test]
fn a_profile_that_cannot_be_read_names_its_own_keys() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join(".config/ece-agent/profile.toml");
    fs::create_dir_all(profile.parent().unwrap()).unwrap();
    for text in ["coordinator = 'a'", "coordinator-host = ", "roles = 'proxy'"] {
        fs::write(&profile, text).unwrap();
        let told = Finished::of(&mut at_home(home.path(), ["host", "list"]));
        let told = told.refused(3, "profile.invalid").stderr;
        assert!(told.contains("profile.toml") && told.contains("api-key-file"), "{told}");
        assert!(!told.contains("flags of 'install'"), "{told}");
    }
}

#[test]
fn a_login_keeps_an_api_key_and_a_logout_deletes_it_there_and_here() {
    let (cluster, home) = cluster_and_home();
    let password = home.path().join("password");
    fs::write(&password, cluster.secret("adminconsole_root_password")).unwrap();
    let login = |pin: &str| {
        let mut command = at_home(home.path(), ["login", &cluster.first.address]);
        command.arg("--password-file").arg(&password);
        if !pin.is_empty() {
            command.args(["--ca-fingerprint", pin]);
        }
        Finished::of(&mut command)
    };
    let call =
        |arguments: &[&str]| Finished::of(&mut at_home(home.path(), arguments.iter().copied()));
    let pin = pin_of(&cluster.first);
    // Without a pin, and nobody to ask, what the server shows is told and nothing is sent.
    let told = login("").refused(13, "trust.no_pin");
    assert!(told.stderr.contains(&pin), "{told:?}");
    login(&format!("sha256:{}", "0".repeat(64))).refused(13, "trust.pin_mismatch");
    let dir = home.path().join(".config/ece-agent");
    assert!(!dir.exists());

    login(&pin).expect(0);
    let (profile, key) = (dir.join("profile.toml"), dir.join("profile.key"));
    assert_eq!((mode(&profile), mode(&key), mode(&dir)), (0o600, 0o600, 0o700));
    let text = fs::read_to_string(&key).unwrap();
    assert!(!fs::read_to_string(&profile).unwrap().contains(text.trim()));
    let me = call(&["whoami", "--json"]).expect(0).json();
    assert_eq!(me["user"], "admin");
    assert_eq!(me["ca_fingerprints"], json!([pin]));
    assert!(call(&["whoami"]).expect(0).stdout.contains("profile.toml"));
    let keys =
        || cluster.api("GET", "/users/auth/keys", None).json()["keys"].as_array().unwrap().len();
    assert_eq!(keys(), 1);
    // A second login takes the place of the first, there too.
    login(&pin).expect(0);
    assert_eq!(keys(), 1);
    call(&["token", "list"]).expect(0);
    call(&["logout"]).expect(0);
    assert_eq!(keys(), 0);
    assert!(!profile.exists() && !key.exists());
    call(&["logout"]).refused(3, "profile.invalid");
    call(&["whoami"]).refused(3, "config.invalid");
    // What somebody has written by hand is not replaced.
    fs::write(&profile, "user = 'readonly'\n").unwrap();
    login(&pin).refused(3, "profile.invalid");
    assert_eq!(fs::read_to_string(&profile).unwrap(), "user = 'readonly'\n");
    assert_eq!(keys(), 0);
}

#[test]
fn a_logout_that_cannot_tell_the_coordinator_keeps_the_key_unless_it_is_forced() {
    let (mut cluster, home) = cluster_and_home();
    let password = home.path().join("password");
    fs::write(&password, cluster.secret("adminconsole_root_password")).unwrap();
    let login = ["login", &cluster.first.address, "--ca-fingerprint", &pin_of(&cluster.first)];
    Finished::of(at_home(home.path(), login).arg("--password-file").arg(&password)).expect(0);
    cluster.first.stop();
    let key = home.path().join(".config/ece-agent/profile.key");
    let told = Finished::of(&mut at_home(home.path(), ["logout"]));
    let told = told.refused(12, "coordinator.connection_refused");
    assert!(told.stderr.contains("--force") && key.exists(), "{told:?}");
    // The port that was asked is the one to look at.
    let told = Finished::of(&mut at_home(home.path(), ["host", "list"]));
    let told = told.refused(12, "coordinator.connection_refused").stderr;
    assert!(told.contains("that port 12443 is meant"), "{told}");
    Finished::of(&mut at_home(home.path(), ["logout", "--force"])).expect(0);
    assert!(!key.exists());
}

#[test]
fn api_keys_are_made_into_files_or_alone_listed_and_deleted_by_how_they_begin() {
    let (cluster, home) = cluster_and_home();
    let call = |arguments: &[&str]| {
        let mut command =
            at_home(home.path(), ["apikey"].into_iter().chain(arguments.iter().copied()));
        Finished::of(command.arg("--state-dir").arg(&cluster.first.state))
    };
    let alone = call(&["create", "--description", "ci", "--expiration", "1h"]).expect(0).stdout;
    assert_eq!(alone.lines().count(), 1, "{alone}");
    let header = format!("Authorization: ApiKey {}", alone.trim());
    crate::support::Reply::to(&["-H", &header, &cluster.url("/user")]).expect(200);
    let file = home.path().join("key");
    let made = call(&["create", "--description", "file", "-o", file.to_str().unwrap()]).expect(0);
    assert_eq!((made.stdout.as_str(), mode(&file)), ("", 0o600));
    let listed = call(&["list", "--json"]).expect(0).json();
    let keys = listed["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert!(!call(&["list"]).expect(0).stdout.contains(alone.trim()));
    for key in &keys {
        call(&["delete", &key["id"].as_str().unwrap()[..8]]).expect(0);
    }
    call(&["delete", "ffffffff"]).refused(14, "api.refused");
    crate::support::Reply::to(&["-H", &header, &cluster.url("/user")])
        .failed(401, "root.unauthenticated");
}

#[test]
fn a_token_goes_alone_to_a_program_and_privately_into_a_file() {
    let (cluster, home) = cluster_and_home();
    let call = |arguments: &[&str]| {
        let mut command =
            at_home(home.path(), ["token"].into_iter().chain(arguments.iter().copied()));
        Finished::of(command.arg("--state-dir").arg(&cluster.first.state))
    };
    let alone = call(&["create", "--roles", "proxy"]).expect(0);
    assert_eq!(alone.stdout.lines().count(), 1, "{alone:?}");
    assert!(alone.stdout.starts_with("eyJ") && alone.stderr.is_empty(), "{alone:?}");
    let file = home.path().join("token.txt");
    fs::write(&file, "before").unwrap();
    let path = file.to_str().unwrap();
    let told = call(&["create", "--roles", "proxy", "-o", path]).refused(1, "output.not_written");
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    let (_, remove) = told.stderr.split_once("'rm ").unwrap();
    let (named, _) = remove.split_once('\'').unwrap();
    fs::remove_file(named).unwrap();
    let made = call(&[
        "create",
        "--validity",
        "1h",
        "--max-uses",
        "3",
        "--description",
        "racks",
        "-o",
        path,
    ]);
    let made = made.expect(0);
    assert!(!made.stdout.contains("eyJ") && made.stderr.contains("with no roles"), "{made:?}");
    assert_eq!(mode(&file), 0o600);
    for empty in ["", ",,,"] {
        call(&["create", "--roles", empty]).expect(3);
    }
    let read = Finished::of(&mut agent(["token", "inspect", "--json", "--file", path])).json();
    let listed = call(&["list", "--json"]).expect(0).json();
    let of = |id: &Value| {
        let all = listed["tokens"].as_array().unwrap().iter();
        all.clone().find(|token| token["token_id"] == *id).cloned()
    };
    let token = of(&read["token_id"]).unwrap();
    assert_eq!((&token["uses_left"], &token["description"]), (&json!(3), &json!("racks")));
    assert_eq!(token["persistent"], false);
    let words = call(&["list"]).expect(0).stdout;
    assert!(
        words.contains("USES LEFT") && words.contains("racks") && words.contains("until 20"),
        "{words}"
    );
    let id = read["token_id"].as_str().unwrap();
    call(&["revoke", &id[..3]]).refused(3, "config.invalid");
    call(&["revoke", &id[..8]]).expect(0);
    assert!(!call(&["list"]).expect(0).stdout.contains(id));
    let told = call(&["revoke", &id[..8]]).refused(14, "api.refused").stderr;
    assert!(told.contains("was revoked already") && told.contains(id), "{told}");
    call(&["revoke", &id[..8], "--evict"]).expect(0);
    // Never a device of this machine here: what goes wrong would replace it.
    let link = home.path().join("link");
    std::os::unix::fs::symlink("/nonexistent", &link).unwrap();
    let dir = home.path().to_str().unwrap();
    for bad in [link.to_str().unwrap(), "/nonexistent/token", dir] {
        call(&["create", "-o", bad]).refused(1, "output.not_written");
    }
    assert!(link.is_symlink());
    for bad in ["1w", "0", "-5"] {
        call(&["create", "--validity", bad]).expect(3);
    }
}

#[test]
fn who_closes_the_output_has_enough_and_what_cannot_be_written_has_failed() {
    let program = agent_path().display();
    let run = |line: &str| Finished::of(Command::new("bash").args(["-c", line]));
    let head = run(&format!("set -o pipefail; '{program}' explain | head -n 1"));
    assert_eq!((head.code, head.stderr.as_str(), head.stdout.lines().count()), (0, "", 1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut deaf = agent(["explain"]);
    let deaf = deaf.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let deaf = deaf.wait_with_output().unwrap();
    assert_eq!((deaf.status.code(), deaf.stderr.len()), (Some(0), 0), "{deaf:?}");
    let full = run(&format!("'{program}' explain > /dev/full"));
    assert_eq!(full.code, 1, "{full:?}");
    assert!(full.stderr.contains("error: the output cannot be written"), "{full:?}");
    let deaf = run(&format!(
        "'{program}' explain no.code 2>&1 >/dev/null | true; exit ${{PIPESTATUS[0]}}"
    ));
    assert_eq!(deaf.code, 3, "{deaf:?}");
}

#[test]
fn verbs_have_completions_and_man_pages_and_only_those_that_people_call() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Finished::of(&mut agent(["completions", shell])).expect(0).stdout;
        assert!(script.contains("maintenance") && !script.contains("become-member"), "{shell}");
    }
    let version = Finished::of(&mut agent(["version"])).expect(0).stdout;
    assert_eq!(version, Finished::of(&mut agent(["--version"])).expect(0).stdout);
    assert_eq!(
        Finished::of(&mut agent(["version", "--json"])).json()["version"],
        env!("CARGO_PKG_VERSION")
    );
    let dir = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(ece_agent::cli::command(), dir.path()).unwrap();
    let pages: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pages.contains(&"ece-agent-token-create.1".to_owned()), "{pages:?}");
    let wrong =
        |page: &&String| ["help", "member", "leave-cluster"].iter().any(|it| page.contains(it));
    assert_eq!(pages.iter().find(wrong), None);
    // The verb itself still helps.
    Finished::of(&mut agent(["help", "token"])).expect(0);
}

#[test]
fn logs_shows_the_log_of_a_daemon_in_the_background_and_says_where_others_are() {
    let cluster = Cluster::prepare();
    Finished::of(&mut cluster.first.install_command(&["--force"])).expect(0);
    let logs = |flags: &[&str]| {
        Finished::of(agent(["logs", "--state-dir"]).arg(&cluster.first.state).args(flags))
    };
    assert!(logs(&[]).expect(0).stdout.contains("INFO"));
    assert_eq!(logs(&["-n", "1"]).expect(0).stdout.lines().count(), 1);
    cluster.first.stop_background();
    Finished::of(&mut agent(["logs", "--state-dir", "/nonexistent"]))
        .refused(1, "install.not_done");
    fs::remove_file(cluster.first.state.join("agent.log")).unwrap();
    logs(&[]).refused(1, "logs.not_here");
}
