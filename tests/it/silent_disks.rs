//! File systems that do not answer: nobody waits for one for ever, and it is named.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::net::UnixListener,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    Cluster, DeadMount, Finished, agent, disk_failure_library, has_asked, skip, within,
};

const A_MOMENT: Duration = Duration::from_secs(3);
const UNTIL_LOST: Duration = Duration::from_secs(15);

#[test]
fn a_member_whose_state_does_not_answer_stays_and_does_what_it_is_told() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator,proxy");
    let Some(dead) = DeadMount::over(&host.state) else {
        return skip(
            "silent_disks::a_member_whose_state_does_not_answer",
            "no FUSE mount can be made",
        );
    };
    let path = format!("/platform/infrastructure/runners/{}/roles", host.address);
    let roles = serde_json::json!({ "roles": [{ "role_name": "allocator" }] });
    cluster.api("PUT", &path, Some(roles)).expect(200);
    assert!(!within(UNTIL_LOST, || !cluster.is_connected(&host.address)), "it is lost");
    drop(dead);
    // What could not be kept is kept when it can be.
    let desired = || std::fs::read_to_string(host.state.join("desired.json")).unwrap();
    assert!(within(Duration::from_secs(20), || !desired().contains("proxy")), "{}", desired());
    let _dead = DeadMount::over(&host.state).unwrap();
    let began = Instant::now();
    assert_eq!(host.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_file_system_that_does_not_answer_is_named_and_holds_nothing_else_up() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator,proxy");
    let capacity = cluster.allocator(&host.address).unwrap()["capacity"].clone();
    host.stop();
    let Some(dead) = DeadMount::over(&host.storage.join("instances")) else {
        return skip(
            "silent_disks::a_file_system_that_does_not_answer",
            "no FUSE mount can be made",
        );
    };
    host.run();
    host.wait_connected();
    let silent = || host.status_json()["roles"]["allocator"]["code"] == "roles.silent";
    assert!(within(Duration::from_secs(10), silent), "{:#}", host.status_json());
    let status = host.status_json();
    assert_eq!(cluster.allocator(&host.address).unwrap()["capacity"], capacity);
    assert_eq!(status["roles"]["proxy"]["healthy"], true, "{status:#}");
    assert_eq!(status["warnings"][0]["code"], "facts.unreadable", "{status:#}");
    assert_eq!(status["connected"], true);
    let unhealthy = || cluster.allocator(&host.address).unwrap()["status"]["healthy"] == false;
    assert!(within(UNTIL_LOST, unhealthy));
    // It still does what it is told: another role goes, and the daemon ends at once.
    let path = format!("/platform/infrastructure/runners/{}/roles", host.address);
    let roles = serde_json::json!({ "roles": [{ "role_name": "allocator" }] });
    cluster.api("PUT", &path, Some(roles)).expect(200);
    assert!(within(A_MOMENT, || host.status_json()["roles"].get("proxy").is_none()));
    drop(dead);
    assert!(within(Duration::from_secs(45), || {
        host.status_json()["roles"]["allocator"]["healthy"] == true
    }));
    let _dead = DeadMount::over(&host.storage.join("instances")).unwrap();
    assert!(within(Duration::from_secs(20), silent), "{:#}", host.status_json());
    let began = Instant::now();
    assert_eq!(host.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_daemon_that_waits_for_its_disk_can_be_stopped() {
    let mut cluster = Cluster::start();
    cluster.first.stop();
    let dir = cluster.first.state.parent().unwrap().to_owned();
    let Some(library) = disk_failure_library(&dir) else {
        return skip("silent_disks::a_daemon_that_waits_for_its_disk", "it needs a C compiler");
    };
    let flag = dir.join("hang-now");
    std::fs::write(&flag, "").unwrap();
    // What it has to make before it can do anything else.
    std::fs::remove_file(cluster.first.state.join("coordinator/tls.key")).unwrap();
    cluster.first.run_with(&[("LD_PRELOAD", &library), ("HANG_SYNC_FILE", flag.to_str().unwrap())]);
    let waits = || flag.with_extension("waits").exists();
    assert!(within(Duration::from_secs(60), waits), "{}", cluster.first.log());
    cluster.first.signal("TERM");
    let pid = cluster.first.pid();
    let is_there = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ended = within(Duration::from_secs(28), || is_there().contains(") Z "));
    std::fs::remove_file(&flag).unwrap();
    assert!(ended, "{}", cluster.first.log());
    assert_eq!(cluster.first.wait(), Some(1));
    assert!(cluster.first.log().contains("told to stop"), "{}", cluster.first.log());
}

#[test]
fn a_file_system_that_never_answers_ends_each_command_with_its_name() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.stop();
    let token = cluster.token("allocator");
    let ends = |mut command: std::process::Command| {
        let began = Instant::now();
        let told = Finished::of(&mut command).refused(1, "storage.silent");
        assert!(began.elapsed() < Duration::from_secs(20), "{told:?}");
        assert!(told.stderr.contains("findmnt -T") && !told.stderr.contains("df "), "{told:?}");
    };
    let verb = |words: &[&str]| {
        let mut command = agent(words);
        command.arg("--state-dir").arg(&host.state);
        command
    };
    {
        let Some(_dead) = DeadMount::over(&host.storage) else {
            return skip(
                "silent_disks::a_file_system_that_never_answers",
                "no FUSE mount can be made",
            );
        };
        let mut install = host.install_command(&["--force", "--timeout", "2"]);
        install.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
        ends(install);
        ends(verb(&["uninstall"]));
        let mut check = verb(&["check"]);
        check.arg("--host-storage-path").arg(&host.storage);
        ends(check);
    }
    {
        let _dead = DeadMount::over(&cluster.first.storage).unwrap();
        for words in [&["host", "list"][..], &["reset-password"]] {
            let mut command = agent(words);
            command.arg("--state-dir").arg(&cluster.first.state);
            ends(command);
        }
    }
    let _dead = DeadMount::over(&host.state).unwrap();
    ends(verb(&["status", "--wait", "--timeout", "1"]));
    for words in [&["status"][..], &["uninstall"], &["stop"], &["start"], &["upgrade"]] {
        ends(verb(words));
    }
    // A daemon waits longer, and not for ever.
    Finished::of(&mut verb(&["run"])).refused(1, "storage.silent");
}

#[test]
fn a_file_system_that_falls_silent_in_the_middle_of_a_command_ends_it() {
    let test = "silent_disks::a_file_system_that_falls_silent_in_the_middle_of_a_command_ends_it";
    let cluster = Cluster::start();
    let (mut asked, mut left) = (cluster.joined(2, ""), cluster.joined(3, ""));
    asked.stop();
    left.stop();
    let daemon = UnixListener::bind(asked.state.join("agent.sock")).unwrap();
    daemon.set_nonblocking(true).unwrap();
    let (looked_at, fresh) = (cluster.host(4), cluster.host(5));
    fs::create_dir_all(&looked_at.storage).unwrap();
    fs::create_dir_all(&fresh.storage).unwrap();
    let token = cluster.token("");
    let coordinator = &cluster.first.address;
    let to_cluster = ["--coordinator-host", coordinator, "--roles-token", &token];
    // Each waits for somebody who does not answer, and would then go on with its directories.
    cluster.first.signal("STOP");
    let mut status = agent(["status", "--wait", "--timeout", "100", "--state-dir"]);
    status.arg(&asked.state);
    let mut uninstall = agent(["uninstall", "--state-dir"]);
    uninstall.arg(&left.state);
    let mut check = agent(["check", "--state-dir"]);
    check.arg(&looked_at.state).arg("--host-storage-path").arg(&looked_at.storage);
    check.args(to_cluster);
    let mut install = fresh.install_command(&["--force", "--wait-for-coordinator", "100"]);
    install.args(to_cluster);
    let silent = [&asked.state, &left.storage, &looked_at.storage, &fresh.storage];
    let (mut running, mut mounts, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for (mut command, place) in [status, uninstall, check, install].into_iter().zip(silent) {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let waits = || {
            held.extend(daemon.accept());
            if place == &asked.state { !held.is_empty() } else { has_asked(&child, coordinator) }
        };
        assert!(within(Duration::from_secs(60), waits), "{command:?}");
        mounts.extend(DeadMount::over(place));
        running.push(child);
    }
    if mounts.len() < silent.len() {
        cluster.first.signal("CONT");
        running.iter_mut().for_each(|child| child.kill().unwrap());
        return skip(test, "no FUSE mount can be made");
    }
    let is_over = |child: &mut Child| child.try_wait().unwrap().is_some();
    let in_time = within(Duration::from_secs(60), || running.iter_mut().all(is_over));
    drop((mounts, daemon, held));
    cluster.first.signal("CONT");
    for (child, place) in running.into_iter().zip(silent) {
        let told = Finished::of_child(child).refused(1, "storage.silent").stderr;
        assert!(told.contains(&place.display().to_string()), "{told}");
    }
    assert!(in_time, "they end with the file system only");
}

#[test]
fn an_installation_that_a_silent_file_system_ends_says_so_in_its_log_too() {
    let test =
        "silent_disks::an_installation_that_a_silent_file_system_ends_says_so_in_its_log_too";
    let cluster = Cluster::prepare();
    let host = &cluster.first;
    fs::create_dir_all(&host.state).unwrap();
    let log = host.storage.join("logs/bootstrap-logs/bootstrap.log");
    let mut command = host.install_command(&["--force", "--timeout", "100"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let signal = |name: &str| {
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(child.id() as i32),
            name.parse::<nix::sys::signal::Signal>().unwrap(),
        )
        .unwrap();
    };
    // Its work has begun, and most of it is still to come.
    told.find(|line| line.starts_with("preflight")).expect("it begins");
    signal("SIGSTOP");
    let dead = DeadMount::over(&host.state);
    signal("SIGCONT");
    let told: String = told.collect();
    child.wait().unwrap();
    if dead.is_none() {
        Finished::of(agent(["stop", "--state-dir"]).arg(&host.state));
        return skip(test, "no FUSE mount can be made");
    }
    assert!(told.contains("[storage.silent]"), "{told}");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("[ERROR]") && log.contains("[storage.silent]"), "{log}");
}
