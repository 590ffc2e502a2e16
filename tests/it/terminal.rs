//! What a person sees on a terminal, and what stays unseen.

use std::{fs, process::Command};

use crate::support::{Cluster, Finished, Terminal, agent};

fn on(columns: u16, command: &Command) -> (i32, String) {
    Terminal::start(columns, command).end()
}

fn longest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn a_login_shows_the_fingerprint_first_and_asks_for_the_password_unseen() {
    let cluster = Cluster::start();
    let home = tempfile::tempdir().unwrap();
    let login = || {
        let mut command = agent(["login", &cluster.first.address]);
        command.env("HOME", home.path());
        Terminal::start(120, &command)
    };
    let ca = Finished::of(agent(["ca", "show", "--json", "--state-dir"]).arg(&cluster.first.state));
    let pin = ca.json()["fingerprints"][0].as_str().unwrap().to_owned();
    let mut refused = login();
    refused.sees("Are they the same?");
    refused.types("no\n");
    let (code, shown) = refused.end();
    assert_eq!(code, 13, "{shown}");
    assert!(shown.contains(&pin) && !shown.contains("password of admin"), "{shown}");

    let password = cluster.secret("adminconsole_root_password");
    let mut wrong = login();
    wrong.sees("Are they the same?");
    wrong.types("yes\n");
    wrong.sees("password of admin");
    wrong.types("wrong\n");
    let (code, shown) = wrong.end();
    assert!(code == 14 && shown.contains("[api.unauthenticated]"), "{shown}");
    assert!(!home.path().join(".config/ece-agent/profile.toml").exists());

    let mut right = login();
    right.sees("Are they the same?");
    right.types("yes\n");
    right.sees("password of admin");
    right.types(&format!("mistyped\u{15}{password}x\u{7f}\n"));
    let (code, shown) = right.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(&password) && shown.contains("logged in"), "{shown}");
    let mut whoami = agent(["whoami"]);
    Finished::of(whoami.env("HOME", home.path())).expect(0);
}

#[test]
fn a_token_is_asked_for_unseen_and_the_interrupt_key_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::start();
    let token = cluster.token("proxy");
    let inspect = agent(["token", "inspect", "-"]);
    let mut terminal = Terminal::start(200, &inspect);
    terminal.sees("roles token: ");
    terminal.types(&format!("{token}\n"));
    let (code, shown) = terminal.end();
    assert!(code == 0 && shown.contains("proxy") && !shown.contains(&token), "{shown}");
    let mut shell = Command::new("sh");
    let program = crate::support::agent_path().display();
    shell.args(["-c", &format!("'{program}' token inspect -; stty -a")]);
    let mut terminal = Terminal::start(80, &shell);
    terminal.sees("roles token: ");
    terminal.types("\u{3}");
    let (_, shown) = terminal.end();
    assert!(shown.contains("[token.unreadable]") && shown.contains(" echo "), "{shown}");
    assert!(shown.contains(" icanon ") && shown.contains("isig "), "{shown}");
}

#[test]
fn nothing_breaks_inside_of_words_at_80_columns_and_tables_are_tables_at_200() {
    let cluster = Cluster::start();
    let home = tempfile::tempdir().unwrap();
    let state = cluster.first.state.to_str().unwrap();
    for arguments in [
        &["host", "list", "--state-dir", state][..],
        &["token", "list", "--state-dir", state],
        &["token", "ledger", "--state-dir", state],
        &["audit", "list", "--state-dir", state],
        &["status", "--state-dir", state],
        &["check", "--host-ip", "127.250.0.8", "--host-storage-path", "/tmp/ece-check"],
        &["explain", "join.replace_refused"],
        &["host", "list", "--state-dir", "/nonexistent", "--ca-cert", "/nonexistent"],
        &["host", "list", "--help"],
    ] {
        let mut command = agent(arguments);
        command.env("HOME", home.path()).env("NO_COLOR", "1");
        let whole = Finished::of(&mut command);
        let whole = format!("{}{}", whole.stdout, whole.stderr);
        let (_, shown) = on(80, &command);
        for line in shown.lines().filter(|line| line.chars().count() > 80) {
            // A path may be longer than a line.
            assert!(!line.trim().contains(' '), "{arguments:?}: {line}");
        }
        // Figures may have changed in between.
        for word in shown.split_whitespace().filter(|word| word.parse::<u64>().is_err()) {
            assert!(whole.contains(word), "{arguments:?}: {word:?} in\n{shown}");
        }
    }
    let token = cluster.token("proxy");
    for arguments in [
        &["ca", "show", "--state-dir", state][..],
        &["token", "inspect", &token],
        &["whoami", "--state-dir", state],
    ] {
        let mut command = agent(arguments);
        let (_, shown) = on(80, command.env("HOME", home.path()));
        let pin = |line: &&str| line.contains("sha256:");
        let pins: Vec<&str> = shown.lines().filter(pin).collect();
        assert!(pins.iter().all(|line| line.chars().count() <= 80), "{arguments:?}: {shown}");
        assert!(!pins.is_empty(), "{shown}");
    }
    let mut list = agent(["host", "list", "--state-dir", state]);
    list.env("HOME", home.path());
    let (_, wide) = on(200, &list);
    assert!(wide.starts_with("RUNNER ID  ") && wide.lines().count() == 2, "{wide}");
    let (_, narrow) = on(80, &list);
    assert!(longest(&narrow) <= 80 && narrow.contains("ROLES"), "{narrow}");
}

#[test]
fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    let mut failing = agent(["explain", "no.such.code"]);
    let (_, shown) = on(100, &failing);
    assert!(shown.starts_with("\u{1b}[31merror\u{1b}[0m: "), "{shown:?}");
    let (_, shown) = on(100, failing.env("NO_COLOR", "1"));
    assert!(shown.starts_with("error: ") && !shown.contains('\u{1b}'), "{shown:?}");
    let piped = Finished::of(failing.env_remove("NO_COLOR"));
    assert!(!piped.stderr.contains('\u{1b}'), "{piped:?}");
}

#[test]
fn the_secrets_of_a_first_host_are_on_the_terminal_only_if_they_are_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for asked in [false, true] {
        let cluster = Cluster::prepare();
        let mut install = cluster.first.install_command(&["--force"]);
        install.env("HOME", home.path());
        if asked {
            install.arg("--show-secrets");
        }
        let (code, shown) = on(100, &install);
        assert_eq!(code, 0, "{shown}");
        let secrets = fs::read_to_string(cluster.secrets_file()).unwrap();
        let secrets: serde_json::Value = serde_json::from_str(&secrets).unwrap();
        for secret in secrets.as_object().unwrap().values().filter_map(|it| it.as_str()) {
            assert_eq!(shown.contains(secret), asked, "{shown}");
        }
        assert!(shown.contains("bootstrap-secrets.json"), "{shown}");
        cluster.first.stop_background();
    }
}

#[test]
fn on_a_terminal_a_new_token_comes_with_its_id_and_expiry() {
    let cluster = Cluster::start();
    let create = agent(["token", "create", "--state-dir", cluster.first.state.to_str().unwrap()]);
    let (code, shown) = on(80, &create);
    assert_eq!(code, 0, "{shown}");
    for part in ["token id  ", "expires   20", "ece-agent install --coordinator-host"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn waiting_says_for_what_and_how_long_still_and_leaves_no_spinner_behind() {
    let cluster = Cluster::start();
    let token = cluster.token("proxy");
    let host = cluster.host(2);
    let mut cluster = cluster;
    cluster.first.stop();
    let mut install =
        host.install_command(&["--force", "--coordinator-host", &cluster.first.address]);
    install.args(["--roles-token", &token, "--wait-for-coordinator", "2", "--timeout", "1"]);
    let (code, shown) = on(100, &install);
    assert_eq!(code, 12, "{shown}");
    assert!(shown.contains("waiting") && shown.contains("s still"), "{shown}");
    let nothing_left = |shown: &str| {
        let last = shown.rsplit("\u{1b}[2K").next().unwrap();
        assert!(!last.contains("s at most"), "{shown:?}");
    };
    nothing_left(&shown);
    // Nor when it is interrupted.
    let mut install =
        host.install_command(&["--force", "--coordinator-host", &cluster.first.address]);
    install.args(["--roles-token", &token, "--wait-for-coordinator", "60"]);
    let mut terminal = Terminal::start(100, &install);
    terminal.sees("s still");
    terminal.types("\u{3}");
    let (code, shown) = terminal.end();
    assert!(code == 130 && shown.contains("interrupted; the same command goes on"), "{shown}");
    nothing_left(&shown);
}

#[test]
fn a_status_that_waits_says_for_what_and_for_how_long_still() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "proxy");
    cluster.first.stop();
    host.stop();
    host.run();
    let told = host.status(&["--wait", "--timeout", "2"]).expect(15);
    assert!(told.stderr.contains("waiting: ") && told.stderr.contains(" s still ["), "{told:?}");
    assert_eq!(told.stderr.matches("waiting: ").count(), 1, "{told:?}");
    assert!(
        host.status(&["--json", "--wait", "--timeout", "1"]).expect(15).stdout.lines().count() == 2
    );
}
