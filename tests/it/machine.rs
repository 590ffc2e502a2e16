//! Machines that are not as they should be.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{
    Cluster, Finished, SmallDisk, agent_path, disk_failure_library, skip, some_moment, within,
};

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let cluster = Cluster::start();
    let token = cluster.token("");
    let host = cluster.host(2);
    fs::create_dir_all(host.state.parent().unwrap()).unwrap();
    // A file in the place of a directory stops root too.
    fs::write(&host.state, "").unwrap();
    let told = cluster.try_install(&host, &token, &[]).refused(1, "state.not_writable");
    assert!(told.stderr.contains(host.state.to_str().unwrap()), "{}", told.stderr);
    fs::remove_file(&host.state).unwrap();
    fs::write(&host.storage, "").unwrap();
    let told = cluster.try_install(&host, &token, &[]).refused(1, "state.not_writable");
    assert!(told.stderr.contains(host.storage.to_str().unwrap()), "{}", told.stderr);
}

#[test]
fn a_damaged_store_is_told_and_not_replaced() {
    let mut cluster = Cluster::start();
    cluster.first.stop();
    let store = cluster.first.state.join("coordinator/store.db");
    // What is still in the log would be written into the file when it is opened.
    let connection = rusqlite::Connection::open(&store).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let good = fs::read(&store).unwrap();
    let mut bad = good.clone();
    bad[..4096].fill(0x5a);
    fs::write(&store, &bad).unwrap();
    let run = || {
        let mut command = crate::support::agent(["run", "--state-dir"]);
        Finished::of(command.arg(&cluster.first.state))
    };
    run().refused(1, "store.failed");
    assert_eq!(fs::read(&store).unwrap(), bad);
    fs::write(&store, &good).unwrap();
    cluster.first.run();
    cluster.first.wait_connected();
}

#[test]
fn on_a_full_disk_an_install_fails_with_the_reason_and_goes_on_when_there_is_room() {
    let test =
        "machine::on_a_full_disk_an_install_fails_with_the_reason_and_goes_on_when_there_is_room";
    let cluster = Cluster::start();
    let token = cluster.create_token(serde_json::json!({ "persistent": false, "max_uses": 1 }));
    let token = token["token"].as_str().unwrap();
    let host = cluster.host(2);
    let Some(disk) = SmallDisk::mount(&host.state, 256) else {
        return skip(test, "it needs root, to mount a small file system");
    };
    disk.fill();
    cluster.try_install(&host, token, &["--force"]).refused(1, "state.not_writable");
    disk.empty();
    cluster.try_install(&host, token, &["--force"]).expect(0);
    assert!(cluster.is_connected(&host.address));
    host.stop_background();
}

/// Runs the program with a clock that is off, where the library for that is installed.
pub fn with_clock(offset: &str, mut command: Command) -> Option<Command> {
    let library = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ]
    .into_iter()
    .find(|library| Path::new(library).exists())?;
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", offset)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Some(command)
}

#[test]
fn a_wrong_clock_keeps_a_newcomer_out_with_both_times_and_a_member_in_with_a_warning() {
    let test = "machine::a_wrong_clock_keeps_a_newcomer_out_with_both_times_and_a_member_in_with_a_warning";
    let cluster = Cluster::start();
    let token = cluster.token("");
    let mut member = cluster.joined(3, "");
    member.stop();
    for (number, offset) in [(10, "-365d"), (11, "+365d")] {
        let newcomer = cluster.host(number);
        let mut command = newcomer.install_command(&["--force"]);
        command.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
        let Some(mut command) = with_clock(offset, command) else {
            return skip(test, "it needs libfaketime");
        };
        let told = Finished::of(&mut command).refused(13, "trust.certificate_date").stderr;
        assert!(told.contains("valid from 20"), "{told}");

        let mut run = Command::new(agent_path());
        run.args(["run", "--state-dir"]).arg(&member.state);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = with_clock(offset, run).unwrap().spawn().unwrap();
        let connected = within(Duration::from_secs(10), || {
            let status = member.status(&["--json"]);
            status.code == 0 && {
                let status = status.json();
                status["connected"] == true
                    && status["warnings"][0]["code"] == "trust.certificate_date"
            }
        });
        member.stop_background();
        running.wait().unwrap();
        assert!(connected, "{offset}");
    }
    // An hour is within what the coordinator's certificate allows.
    let newcomer = cluster.host(12);
    let mut command = newcomer.install_command(&["--force"]);
    command.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
    Finished::of(&mut with_clock("-50m", command).unwrap()).expect(0);
}

#[test]
fn an_install_killed_at_many_moments_ends_joined_once() {
    let cluster = Cluster::start();
    let times = if std::env::var_os("ECE_AGENT_LONG_TESTS").is_some() { 200 } else { 20 };
    let token = cluster.create_token(serde_json::json!({ "persistent": false, "max_uses": 1 }));
    let token = token["token"].as_str().unwrap();
    let mut host = cluster.host(2);
    for round in 0..times {
        cluster.install(&mut host, token, &[]);
        some_moment(round, 0..120);
        host.kill();
    }
    let key = host.state.join("host.key");
    let permissions = || {
        let found = fs::metadata(&key);
        found.ok().map(|found| found.permissions().mode() & 0o777)
    };
    // On a slow machine none of them got as far as that.
    assert!(permissions().is_none_or(|mode| mode == 0o600));
    cluster.install(&mut host, token, &[]);
    host.wait_connected();
    assert_eq!(permissions(), Some(0o600));
    cluster.try_install(&cluster.host(3), token, &[]).refused(14, "token.used_up");
}

#[test]
fn whichever_write_of_a_join_finds_the_disk_full_the_same_command_ends_joined_once() {
    let test =
        "machine::whichever_write_of_a_join_finds_the_disk_full_the_same_command_ends_joined_once";
    let cluster = Cluster::start();
    let Some(library) = disk_failure_library(cluster.first.state.parent().unwrap()) else {
        return skip(test, "it needs a C compiler");
    };
    for number in 1..40 {
        let token = cluster.create_token(serde_json::json!({ "persistent": false, "max_uses": 1 }));
        let token = token["token"].as_str().unwrap();
        let host = cluster.host(1 + number);
        let mut command = host.install_command(&["--force", "--roles-token", token]);
        command.env("LD_PRELOAD", &library).env("FAIL_SYNC_AT", number.to_string());
        let failed = Finished::of(&mut command);
        if failed.code == 0 {
            assert!(number > 8, "only {number} writes failed");
            host.stop_background();
            return;
        }
        failed.refused(1, "state.not_writable");
        Finished::of(&mut host.install_command(&["--force", "--roles-token", token])).expect(0);
        assert!(cluster.is_connected(&host.address));
        host.stop_background();
        cluster.try_install(&cluster.host(200), token, &["--force"]).refused(14, "token.used_up");
    }
    panic!("a join does not write that often");
}

#[test]
fn whichever_write_of_a_first_host_finds_the_disk_full_the_same_command_finishes_the_cluster() {
    let test = "machine::whichever_write_of_a_first_host_finds_the_disk_full_the_same_command_finishes_the_cluster";
    let mut failures = 0;
    for number in 1..30 {
        let mut cluster = Cluster::prepare();
        let dir = cluster.first.state.parent().unwrap().to_owned();
        let Some(library) = disk_failure_library(&dir) else {
            return skip(test, "it needs a C compiler");
        };
        let mut command = cluster.first.install_command(&["--force"]);
        command.env("LD_PRELOAD", &library).env("FAIL_SYNC_AT", number.to_string());
        let failed = Finished::of(&mut command);
        // Only the log may be short of a line.
        if failed.code == 0 {
            cluster.first.stop_background();
            continue;
        }
        failures += 1;
        assert!(failed.stderr.contains("[st"), "{failed:#?}");
        let secrets = fs::read(cluster.secrets_file()).ok();
        cluster = cluster.boot(&[]);
        if let Some(secrets) = secrets {
            assert_eq!(fs::read(cluster.secrets_file()).unwrap(), secrets);
        }
        assert!(cluster.is_connected(&cluster.first.address));
    }
    assert!(failures > 12, "only {failures} writes failed");
}
