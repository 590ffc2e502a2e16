//! Verbs about the daemon of this host, where there is none, or something in its place.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Cluster, Finished, agent, agent_path, within};

const NOBODY: u32 = 65_534;

fn call(verb: &str, state: &Path) -> Finished {
    Finished::of(agent([verb, "--state-dir"]).arg(state))
}

fn pipe(at: &Path) {
    assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
}

#[test]
fn stop_start_and_uninstall_of_nothing_name_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("nothing");
    for verb in ["stop", "start", "uninstall", "status"] {
        let told = call(verb, &state).refused(1, "install.not_done").stderr;
        assert!(told.contains(state.to_str().unwrap()), "{told}");
        assert!(!state.exists(), "{verb}");
    }
}

#[test]
fn a_daemon_that_was_stopped_is_started_as_status_says() {
    let cluster = Cluster::prepare();
    let host = &cluster.first;
    Finished::of(&mut host.install_command(&["--force"])).expect(0);
    assert!(call("start", &host.state).expect(0).stderr.contains("runs already"));
    call("stop", &host.state).expect(0);
    let again = call("stop", &host.state).expect(0).stderr;
    assert!(again.contains("no daemon is running for"), "{again}");
    let told = host.status(&[]).refused(1, "daemon.not_running").stderr;
    let start = format!("ece-agent start --state-dir {}", host.state.display());
    let logs = format!("'ece-agent logs --state-dir {}' says why", host.state.display());
    assert!(told.contains(&start) && told.contains(&logs), "{told}");
    call("start", &host.state).expect(0);
    host.wait_connected();
    host.stop_background();
    // One that cannot run says why.
    let store = host.state.join("coordinator/store.db");
    fs::remove_file(&store).unwrap();
    fs::create_dir(&store).unwrap();
    call("start", &host.state).refused(1, "daemon.not_started");
}

#[test]
fn what_is_no_socket_in_the_place_of_the_daemons_keeps_nobody_from_going() {
    let cluster = Cluster::start();
    for (number, linked) in [(2, true), (3, false)] {
        let mut host = cluster.joined(number, "allocator");
        host.stop();
        let socket = host.state.join("agent.sock");
        let place = || {
            let _ = fs::remove_file(&socket);
            match linked {
                true => symlink("/dev/null", &socket).unwrap(),
                false => fs::write(&socket, "").unwrap(),
            }
        };
        place();
        host.status(&[]).refused(1, "daemon.not_running");
        call("stop", &host.state).expect(0);
        // The way that it names.
        call("start", &host.state).expect(0);
        host.wait_connected();
        host.stop_background();
        place();
        let told = call("uninstall", &host.state).expect(0).stderr;
        assert!(told.contains("left the cluster"), "{told}");
        assert!(!host.state.exists(), "{told}");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_no_installation_up() {
    for name in ["install.json", "coordinator/bootstrap.json", "coordinator/master.key"] {
        let cluster = Cluster::prepare();
        let file = cluster.first.state.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        pipe(&file);
        let mut install = cluster.first.install_command(&["--force", "--no-wait"]);
        let mut child = install.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = within(Duration::from_secs(60), || child.try_wait().unwrap().is_some());
        if !ended {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(ended, "{name} holds it up: {told}");
        assert!(!output.status.success() && told.contains(name), "{name}: {told}");
    }
}

/// A process that listens there.
fn listener(address: &str, port: u16) -> Child {
    let script = format!(
        "import socket, sys\ns = socket.socket()\ns.bind(('{address}', {port}))\ns.listen()\nprint('up', flush=True)\nsys.stdin.read()"
    );
    let mut command = Command::new("python3");
    command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
    process
}

#[test]
fn a_taken_port_is_named_with_the_process_that_has_this_very_address() {
    let cluster = Cluster::prepare();
    let own = &cluster.first.address;
    let other = cluster.host(99).address.clone();
    // The one that is found first has the port of another address, and is in nobody's way.
    let mut bystander = listener(&other, 12343);
    let mut holder = listener(own, 12343);
    let told = Finished::of(&mut cluster.first.install_command(&["--force"]));
    for process in [&mut bystander, &mut holder] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let told = told.refused(11, "preflight.port_in_use").stderr;
    assert!(told.contains(&format!("(process {})", holder.id())), "{told}");
    assert!(!told.contains(&format!("(process {})", bystander.id())), "{told}");
}

#[test]
fn a_variable_asks_for_a_dry_run_as_the_flag_does() {
    for value in ["1", "true", "yes"] {
        let cluster = Cluster::prepare();
        let mut install = cluster.first.install_command(&["--force"]);
        let told = Finished::of(install.env("ECE_AGENT_DRY_RUN", value)).expect(0).stdout;
        assert!(told.contains("would set up a cluster"), "{told}");
        assert!(!cluster.first.state.exists());
    }
}

/// The daemon does not let its own user read it.
#[test]
fn a_user_without_root_upgrades_their_own_daemon() {
    let cluster = Cluster::prepare();
    let (host, dir) = (&cluster.first, tempfile::tempdir().unwrap());
    let (program, newer) = (dir.path().join("ece-agent"), dir.path().join("newer"));
    fs::copy(agent_path(), &program).unwrap();
    fs::copy(agent_path(), &newer).unwrap();
    File::options().append(true).open(&newer).unwrap().write_all(b"\n").unwrap();
    for path in [dir.path(), host.state.parent().unwrap(), &program, &newer] {
        if ece_agent::host::process::is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let call = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).arg("--state-dir").arg(&host.state).env("HOME", dir.path());
        if ece_agent::host::process::is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Finished::of(&mut command)
    };
    let storage = host.storage.to_str().unwrap();
    let flags = ["--force", "--host-ip", &host.address, "--host-storage-path", storage];
    call(&[&["install"], &flags[..]].concat()).expect(0);
    let told = call(&["upgrade", "--binary", newer.to_str().unwrap()]).expect(0).stderr;
    assert!(told.contains("upgraded"), "{told}");
    assert_eq!(fs::read(&program).unwrap(), fs::read(&newer).unwrap());
    call(&["stop"]).expect(0);
}

#[test]
fn an_upgrade_that_cannot_go_back_leaves_what_runs_and_says_so() {
    let cluster = Cluster::prepare();
    let (host, dir) = (&cluster.first, tempfile::tempdir().unwrap());
    let (program, newer) = (dir.path().join("ece-agent"), dir.path().join("newer"));
    fs::copy(agent_path(), &program).unwrap();
    // Its first start takes from the datastore what the version before cannot be without.
    let key = host.state.join("coordinator/master.key");
    let (key, real) = (key.display(), agent_path().display());
    let script = format!(
        "#!/bin/sh
[ \"$1\" = --version ] && echo ece-agent 9.9.9 && exit 0
[ -e {key} ] && mv {key} {key}.newer && exit 7
[ -e {key}.newer ] && mv {key}.newer {key}
exec {real} \"$@\"\n"
    );
    fs::write(&newer, script).unwrap();
    fs::set_permissions(&newer, fs::Permissions::from_mode(0o755)).unwrap();
    let call = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        Finished::of(command.args(arguments).arg("--state-dir").arg(&host.state))
    };
    let storage = host.storage.to_str().unwrap();
    let flags = ["--force", "--host-ip", &host.address, "--host-storage-path", storage];
    call(&[&["install"], &flags[..]].concat()).expect(0);
    let upgrade = ["upgrade", "--timeout", "5", "--binary", newer.to_str().unwrap()];
    let told = call(&upgrade).refused(1, "upgrade.failed").stderr;
    assert!(told.contains("store.missing") && !told.contains("runs again"), "{told}");
    assert!(told.contains("the new one was put back, and runs"), "{told}");
    assert_eq!(fs::read(&program).unwrap(), fs::read(&newer).unwrap());
    let verb = |name: &str| Finished::of(agent([name, "--state-dir"]).arg(&host.state));
    verb("status").expect(0);
    verb("stop").expect(0);
}

#[test]
fn a_zone_that_is_given_by_another_name_is_answered_with_the_name_of_ours() {
    for flag in ["--allocator-zone", "--allocator-zone=a"] {
        let told = Finished::of(&mut agent(["install", flag, "a"])).expect(3).stderr;
        assert!(told.contains("'--availability-zone'") && !told.contains("-tags"), "{told}");
    }
    let told = Finished::of(&mut agent(["install", "--allocator-tag", "a"])).expect(3).stderr;
    assert!(told.contains("'--allocator-tags'"), "{told}");
}
