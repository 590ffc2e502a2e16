//! What operators mistype, and what they are told then.

use std::process::Command;

use crate::support::{Finished, agent, agent_path};

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
