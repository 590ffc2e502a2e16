//! What a daemon logs, and the log of one in the background.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::Duration,
};

use crate::support::{Cluster, Finished, agent, within};

/// What the calls that log something are given.
fn events_of(source: &str) -> Vec<&str> {
    let calls = ["error", "warn", "info"].map(|level| format!("tracing::{level}!("));
    let starts = calls
        .iter()
        .flat_map(|call| source.match_indices(call.as_str()).map(|(at, call)| at + call.len()));
    starts.map(|at| in_parentheses(&source[at..])).collect()
}

fn in_parentheses(text: &str) -> &str {
    let (mut depth, mut in_quotes) = (1, false);
    let end = text.find(|c| {
        match c {
            '"' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &text[..end.unwrap()]
}

#[test]
fn a_line_of_the_journal_says_in_words_what_its_fields_say() {
    let mut seen = 0;
    for file in crate::structure::source_files() {
        let source = fs::read_to_string(&file).unwrap();
        for event in events_of(&source) {
            seen += 1;
            let has_fields = !event.trim_start().starts_with('"');
            let message = event.split_once('"').map_or("", |(_, message)| message);
            assert!(!has_fields || message.contains('{'), "{}: {event}", file.display());
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn a_change_is_logged_with_what_was_done_to_what_and_by_whom() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let token = cluster.create_token(serde_json::json!({ "persistent": true }));
    let id = token["token_id"].as_str().unwrap();
    let told = cluster.first.log();
    for message in [
        format!("token.create {id}, by user admin from 127."),
        format!("host.join {0}, by host {0} from ", host.address),
    ] {
        assert!(told.contains(&message), "{message} is not in {told}");
    }
}

/// More than a log may hold.
fn grow(log: &std::path::Path, what: &str) {
    let line = format!("{what} {}\n", "x".repeat(1022 - what.len()));
    let mut file = OpenOptions::new().append(true).open(log).unwrap();
    file.write_all(line.repeat(9 << 10).as_bytes()).unwrap();
}

#[test]
fn it_begins_anew_when_it_is_too_long_and_keeps_what_was_before() {
    let cluster = Cluster::prepare();
    let host = &cluster.first;
    Finished::of(&mut host.install_command(&["--force"])).expect(0);
    let (log, earlier) = (host.state.join("agent.log"), host.state.join("agent.log.1"));
    let length = |file: &std::path::Path| fs::metadata(file).map_or(0, |found| found.len());
    let call = |words: &[&str]| {
        let mut command = agent(words);
        command.arg("--state-dir").arg(&host.state);
        command
    };
    grow(&log, "first");
    let mut following = call(&["logs", "--follow", "-n", "1"]);
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(following.stdout.take().unwrap()).lines();
    assert!(shown.next().unwrap().unwrap().starts_with("first"));
    // The running daemon's next line is the first of a log that begins anew.
    Finished::of(&mut call(&["stop"])).expect(0);
    assert!(length(&log) < 1 << 20 && length(&earlier) > 8 << 20, "{}", length(&log));
    let mode = |file| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&log), mode(&earlier)), (0o600, 0o600));
    let last = Finished::of(&mut call(&["logs"])).expect(0).stdout;
    assert!(last.starts_with("first") && last.lines().count() == 100, "{last}");
    assert!(last.lines().last().unwrap().contains("stopping"), "{last}");
    assert!(shown.next().unwrap().unwrap().contains("stopping"));
    following.kill().unwrap();
    following.wait().unwrap();
    // The one before that is not kept.
    grow(&log, "second");
    Finished::of(&mut call(&["start"])).expect(0);
    let renewed = || fs::read_to_string(&earlier).unwrap().contains("second");
    assert!(within(Duration::from_secs(5), renewed));
    assert!(length(&log) < 1 << 20, "{}", length(&log));
    Finished::of(&mut call(&["uninstall", "--force"])).expect(0);
    assert!(!host.state.exists());
}
