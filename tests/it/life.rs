//! A member's life: lost and found again, stopped, removed, new.

use std::{
    io::{BufRead, BufReader},
    os::unix::{fs::chown, process::CommandExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Cluster, Finished, agent, hold_lock, within};

const A_MOMENT: Duration = Duration::from_secs(3);
const UNTIL_LOST: Duration = Duration::from_secs(15);

fn runner_path(id: &str) -> String {
    format!("/platform/infrastructure/runners/{id}")
}

fn allocator_path(id: &str) -> String {
    format!("/platform/infrastructure/allocators/{id}")
}

#[test]
fn a_killed_host_is_disconnected_and_connected_again_when_it_is_back() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.kill();
    assert!(within(A_MOMENT, || !cluster.is_connected(&host.address)));
    let status = cluster.allocator(&host.address).unwrap()["status"].clone();
    assert_eq!(status["connected"], false);
    assert_eq!(status["healthy"], false);
    host.run();
    assert!(within(A_MOMENT, || cluster.is_connected(&host.address)));
}

#[test]
fn a_paused_host_is_disconnected_within_15_seconds_and_comes_back() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    host.signal("STOP");
    let started = Instant::now();
    assert!(within(UNTIL_LOST, || !cluster.is_connected(&host.address)));
    assert!(started.elapsed() > Duration::from_secs(4), "one missed poll is not enough");
    host.signal("CONT");
    assert!(within(Duration::from_secs(10), || cluster.is_connected(&host.address)));
}

/// Threads that wait for work end while the process does not run.
#[test]
fn a_paused_host_that_may_start_no_more_threads_comes_back() {
    const OF_ITS_OWN: u32 = 65_101;
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    let token = cluster.token("allocator");
    let mut command = host.install_command(&["--foreground", "--roles-token", &token]);
    command.args(["--coordinator-host", &cluster.first.address, "--roles", "allocator"]);
    if ece_agent::host::process::is_root() {
        // Root has no such limit.
        chown(host.state.parent().unwrap(), Some(OF_ITS_OWN), Some(OF_ITS_OWN)).unwrap();
        command.uid(OF_ITS_OWN).gid(OF_ITS_OWN).env("HOME", host.state.parent().unwrap());
    }
    host.spawn(&mut command);
    host.wait_connected();
    host.signal("STOP");
    // Whoever runs it may lower its limit; root of a container may not.
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--nproc=1:", "--pid", &host.pid().to_string()]);
    if ece_agent::host::process::is_root() {
        prlimit.uid(OF_ITS_OWN).gid(OF_ITS_OWN);
    }
    assert!(prlimit.status().unwrap().success());
    assert!(within(UNTIL_LOST, || !cluster.is_connected(&host.address)));
    host.signal("CONT");
    assert!(within(UNTIL_LOST, || cluster.is_connected(&host.address)), "{}", host.log());
    assert_eq!(host.stop(), Some(0), "{}", host.log());
}

#[test]
fn a_clean_stop_is_shown_at_once_and_exits_with_0() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    assert_eq!(host.stop(), Some(0));
    assert!(!cluster.is_connected(&host.address));
}

#[test]
fn hosts_survive_a_restart_of_the_coordinator_and_are_not_shown_as_lost() {
    let mut cluster = Cluster::start();
    let mut gone = cluster.joined(2, "allocator");
    let host = cluster.joined(3, "allocator");
    gone.kill();
    assert!(within(A_MOMENT, || !cluster.is_connected(&gone.address)));
    for stop in ["TERM", "KILL"] {
        cluster.first.signal(stop);
        cluster.first.wait();
        assert!(within(A_MOMENT, || {
            host.status_json()["problem"]["code"] == "coordinator.connection_refused"
        }));
        let status = host.status_json();
        assert_eq!(status["connected"], false);
        assert_eq!(status["roles"]["allocator"]["healthy"], true, "it goes on without");
        cluster.first.run();
        cluster.first.wait_connected();
        assert!(cluster.is_connected(&host.address), "after {stop} it is not expected back");
        assert!(!cluster.is_connected(&gone.address), "after {stop} the dead came back");
        assert!(within(Duration::from_secs(10), || host.status_json()["connected"] == true));
    }
}

#[test]
fn status_waits_and_says_when_there_is_nothing_to_ask() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let words = host.status(&[]).expect(0).stdout;
    assert!(words.contains("connected since"), "{words}");
    assert!(words.contains("allocator: healthy"), "{words}");
    cluster.first.stop();
    assert!(within(A_MOMENT, || host.status_json()["connected"] == false));
    let told = host.status(&["--wait", "--timeout", "1"]).refused(15, "join.not_connected").stderr;
    let error = told.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("(coordinator.") && error.matches('[').count() == 1, "{told}");
    let mut list = agent(["host", "list", "--state-dir"]);
    list.arg(&host.state).env("HOME", "/nonexistent");
    let told = Finished::of(&mut list).refused(3, "config.invalid").stderr;
    assert!(told.contains("the password of admin is kept on the first host alone"), "{told}");
    assert!(told.contains("; there is no profile /nonexistent/.config/"), "{told}");
    assert!(told.contains(&format!("'ece-agent login {}:12443'", cluster.first.address)), "{told}");
    host.kill();
    host.status(&["--json"]).refused(1, "daemon.not_running");
    cluster.host(9).status(&[]).refused(1, "install.not_done");
}

#[test]
fn a_disconnected_allocator_can_be_deleted_and_loses_the_role_only() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator,proxy");
    let path = allocator_path(&host.address);
    cluster.api("DELETE", &path, None).failed(400, "allocators.delete_connected_allocator_attempt");
    host.stop();
    assert_eq!(cluster.api("DELETE", &path, None).expect(200).body, "{}");
    cluster.api("GET", &path, None).failed(404, "allocators.allocator_not_found");
    cluster.api("DELETE", &path, None).failed(404, "allocators.allocator_not_found");
    assert!(cluster.allocator(&host.address).is_none());
    host.run();
    assert!(within(A_MOMENT, || cluster.is_connected(&host.address)));
    assert!(within(A_MOMENT, || {
        host.status_json()["roles"].as_object().unwrap().keys().eq(["proxy"])
    }));
}

#[test]
fn a_removed_host_is_told_why_it_is_refused_and_one_command_makes_it_a_new_one() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let path = runner_path(&host.address);
    cluster.api("DELETE", &path, None).failed(400, "runners.runner_deletion_failed");
    host.stop();
    cluster.api("DELETE", &path, None).expect(200);
    cluster.api("GET", &path, None).failed(404, "runners.runner_not_found");
    cluster.api("DELETE", &path, None).failed(404, "runners.runner_not_found");

    host.run();
    assert!(within(A_MOMENT, || {
        let status = host.status(&["--json"]);
        status.stdout.contains("host.removed") && status.code == 14
    }));
    let token = cluster.token("allocator");
    let roles = ["--force", "--roles", "allocator"];
    cluster.try_install(&host, &token, &roles).refused(14, "host.removed");
    cluster.try_install(&host, &token, &[&roles[..], &["--new-identity"]].concat()).expect(0);
    host.wait();
    assert!(cluster.is_connected(&host.address));
    host.stop_background();
}

#[test]
fn a_host_that_is_removed_while_it_is_down_cannot_come_back_with_its_old_key() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "");
    host.stop();
    cluster.api("DELETE", &runner_path(&host.address), None).expect(200);
    std::fs::remove_file(host.state.join("identity.json")).unwrap();
    cluster.try_install(&host, &cluster.token(""), &["--force"]).refused(14, "host.removed");
}

#[test]
fn the_first_host_cannot_be_deleted() {
    let cluster = Cluster::start();
    let error = cluster
        .api("DELETE", &runner_path(&cluster.first.address), None)
        .failed(400, "runners.runner_deletion_failed");
    assert_eq!(error["cause_code"], "roles.last_coordinator");
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "");
    let mut command = crate::support::agent(["run", "--state-dir"]);
    Finished::of(command.arg(&host.state)).refused(1, "state.in_use");
    assert!(cluster.is_connected(&host.address));
}

#[test]
fn whoever_is_about_to_let_go_of_the_state_is_waited_for() {
    let cluster = Cluster::start();
    let (host, token) = (cluster.host(2), cluster.token(""));
    std::fs::create_dir(&host.state).unwrap();
    let lock = host.state.join("lock");
    // As a process is gone a moment after it was killed.
    let mut held = hold_lock(&lock);
    let mut install = host.install_command(&["--force"]);
    install.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
    let mut install = install.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(install.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waits = told.find(|line| line.contains("waiting")).expect("it says that it waits");
    assert!(waits.contains("[state.in_use]"), "{waits}");
    held.kill().unwrap();
    held.wait().unwrap();
    told.for_each(drop);
    assert!(install.wait().unwrap().success());
    host.stop_background();
    let mut held = hold_lock(&lock);
    let told = cluster.try_install(&host, &token, &["--force"]).refused(1, "state.in_use").stderr;
    let process = held.id();
    assert!(told.contains(&format!("sleep (process {process})")), "{told}");
    assert!(told.contains(&format!("'kill {process}'")), "{told}");
    held.kill().unwrap();
    held.wait().unwrap();
}

#[test]
fn since_when_a_host_is_lost_is_shown_and_outlives_the_coordinator() {
    let mut cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let list = |cluster: &Cluster| {
        let list = ["host", "list", "--query", "connected:false", "--state-dir"];
        Finished::of(agent(list).arg(&cluster.first.state)).expect(0).stdout
    };
    assert!(cluster.runner(&host.address).get("lost_at").is_none());
    host.stop();
    let lost = || cluster.runner(&host.address)["lost_at"].as_str().map(str::to_owned);
    assert!(within(Duration::from_secs(5), || lost().is_some()));
    let at = lost().unwrap();
    assert!(list(&cluster).contains(&format!("no, since {at}")), "{}", list(&cluster));
    cluster.first.stop();
    cluster.first.run();
    cluster.first.wait_connected();
    assert_eq!(cluster.runner(&host.address)["lost_at"], at);
    host.run();
    host.wait_connected();
    let came = || cluster.runner(&host.address)["passages"].as_array().unwrap().len() == 3;
    assert!(within(Duration::from_secs(5), came), "{:#}", cluster.runner(&host.address));
    assert!(cluster.runner(&host.address).get("lost_at").is_none());
    let show = ["host", "show", &host.address, "--state-dir"];
    let shown = Finished::of(agent(show).arg(&cluster.first.state)).expect(0).stdout;
    assert!(shown.contains(&format!("lost        {at}")), "{shown}");
}
