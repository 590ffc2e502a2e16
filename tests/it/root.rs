//! Root, in places where somebody else may have put something.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        net::UnixListener,
    },
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ece_agent::host::process::is_root;
use serde_json::Value;

use crate::support::{Cluster, Finished, agent, skip, within};

const SOMEBODY: u32 = 65_534;

fn give_away(path: &Path) {
    chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

#[test]
fn root_takes_no_address_no_pin_and_no_path_from_a_state_directory_of_somebody_else() {
    let test =
        "root::root_takes_no_address_no_pin_and_no_path_from_a_state_directory_of_somebody_else";
    if !is_root() {
        return skip(test, "it needs root");
    }
    let mut cluster = Cluster::start();
    cluster.first.stop();
    // Whatever root would send would be collected here.
    let collector = TcpListener::bind((cluster.first.address.as_str(), 12443)).unwrap();
    collector.set_nonblocking(true).unwrap();
    let state = cluster.first.state.clone();
    let secrets = fs::read(cluster.secrets_file()).unwrap();
    for whole in [true, false] {
        // The directory, or the file alone in one of root's.
        let given = if whole { state.clone() } else { state.join("identity.json") };
        give_away(&given);
        let verbs: [&[&str]; 10] = [
            &["token", "list"],
            &["token", "create"],
            &["host", "list"],
            &["audit", "list"],
            &["ca", "show"],
            &["reset-password"],
            &["uninstall", "--force"],
            &["run"],
            &["upgrade"],
            &["install", "--force", "--no-wait"],
        ];
        for verb in verbs {
            let mut command = agent(verb);
            command.arg("--state-dir").arg(&state);
            Finished::of(&mut command).refused(4, "state.of_another_user");
        }
        chown(&state, Some(0), Some(0)).unwrap();
    }
    assert!(collector.accept().is_err(), "something was sent");
    assert_eq!(fs::read(cluster.secrets_file()).unwrap(), secrets);
    assert!(state.join("identity.json").exists());
}

#[test]
fn a_secrets_file_that_leads_elsewhere_stops_a_password_before_it_is_changed() {
    let cluster = Cluster::start();
    let before = cluster.secret("adminconsole_root_password");
    let reset = || Finished::of(agent(["reset-password", "--state-dir"]).arg(&cluster.first.state));
    let (file, dir) = (cluster.secrets_file(), cluster.first.storage.join("bootstrap-state"));
    let (other, other_dir) = (dir.with_extension("file"), dir.with_extension("dir"));
    let private = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    fs::copy(&file, &other).unwrap();
    private(&other);
    let saved = fs::read(&file).unwrap();

    fs::remove_file(&file).unwrap();
    symlink(&other, &file).unwrap();
    reset().refused(1, "state.not_writable");
    fs::remove_file(&file).unwrap();
    fs::hard_link(&other, &file).unwrap();
    reset().refused(1, "state.not_writable");
    fs::remove_file(&file).unwrap();
    assert_eq!(fs::read(&other).unwrap(), saved);

    fs::rename(&dir, &other_dir).unwrap();
    fs::rename(&other, other_dir.join("bootstrap-secrets.json")).unwrap();
    symlink(&other_dir, &dir).unwrap();
    reset().refused(1, "state.not_writable");
    let uninstalled =
        Finished::of(agent(["token", "list", "--state-dir"]).arg(&cluster.first.state));
    uninstalled.refused(3, "config.invalid");
    fs::remove_file(&dir).unwrap();
    fs::rename(&other_dir, &dir).unwrap();
    assert_eq!(fs::read(&file).unwrap(), saved);
    // The password is what it was.
    assert_eq!(cluster.secret("adminconsole_root_password"), before);
    cluster.api("GET", "/platform", None).expect(200);
    reset().expect(0);
    assert_ne!(cluster.secret("adminconsole_root_password"), before);
    cluster.api("GET", "/platform", None).expect(200);
}

#[test]
fn a_password_for_an_odd_name_is_refused_and_the_daemon_goes_on() {
    let cluster = Cluster::start();
    for name in ["a/b", "..", "", "nobody"] {
        let mut reset = agent(["reset-password", "--user", name, "--state-dir"]);
        let told = Finished::of(reset.arg(&cluster.first.state)).refused(14, "api.refused").stderr;
        assert!(told.contains("there is no user"), "{told}");
    }
    assert!(!cluster.first.log().contains("panicked"), "{}", cluster.first.log());
    assert!(cluster.is_connected(&cluster.first.address));
}

#[test]
fn a_log_directory_that_leads_elsewhere_stops_an_installation() {
    for linked in ["logs", "logs/bootstrap-logs"] {
        let cluster = Cluster::prepare();
        let elsewhere = cluster.first.storage.with_extension("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        let link = cluster.first.storage.join(linked);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&elsewhere, &link).unwrap();
        let mut install = cluster.first.install_command(&["--force"]);
        Finished::of(&mut install).refused(1, "state.not_writable");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }
}

#[test]
fn an_uninstall_removes_nothing_behind_a_link() {
    let mut cluster = Cluster::start();
    cluster.first.stop();
    let dir = cluster.first.storage.join("bootstrap-state");
    let elsewhere = dir.with_extension("elsewhere");
    fs::rename(&dir, &elsewhere).unwrap();
    symlink(&elsewhere, &dir).unwrap();
    let mut uninstall = agent(["uninstall", "--force", "--json", "--state-dir"]);
    let told = Finished::of(uninstall.arg(&cluster.first.state)).expect(1).json();
    assert!(elsewhere.join("bootstrap-secrets.json").exists(), "{told}");
    assert!(told["problems"][0].as_str().unwrap().contains("bootstrap-state"), "{told}");
}

/// A daemon's socket that says this to whoever asks, for as long as it is listened to; how often it
/// was asked.
fn socket_that_says(socket: &Path, piece: &'static [u8]) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(socket).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
            let mut stream = stream.unwrap();
            let _asked = BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new());
            std::thread::spawn(
                move || while stream.write_all(piece).is_ok() && !piece.is_empty() {},
            );
        }
    });
    asked
}

#[test]
fn neither_a_silent_nor_an_endless_socket_nor_a_pipe_holds_anybody_up() {
    let dir = tempfile::tempdir().unwrap();
    let ended = |verb: &[&str], state: &Path| -> Value {
        let mut command = agent(verb);
        command.arg("--state-dir").arg(state).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ended = within(Duration::from_secs(60), || child.try_wait().unwrap().is_some());
        if !ended {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(ended, "{verb:?} goes on and on: {told}");
        assert_ne!(output.status.code(), Some(0), "{told}");
        told.into()
    };
    let state = |name: &str| {
        let state = dir.path().join(name);
        fs::create_dir(&state).unwrap();
        state
    };
    for (name, said) in [("silent", &b""[..]), ("endless", &[b'['; 4096]), ("nonsense", b"{}\n")] {
        let state = state(name);
        socket_that_says(&state.join("agent.sock"), said);
        let watch = ["status", "--wait", "--timeout", "1"];
        for verb in [&["status"][..], &watch, &["stop"]] {
            ended(verb, &state);
        }
    }
    // One that answers, and leaves a pipe where its lock was.
    let elsewhere = state("elsewhere");
    socket_that_says(&elsewhere.join("agent.sock"), b"{}\n");
    let linked = state("linked");
    symlink(elsewhere.join("agent.sock"), linked.join("agent.sock")).unwrap();
    let told = ended(&["status"], &linked);
    assert!(told.as_str().unwrap().contains("not a socket"), "{told}");
    let piped = state("piped");
    for name in ["lock", "identity.json", "install.json", "agent.sock"] {
        let made = Command::new("mkfifo").arg(piped.join(name)).status();
        assert!(made.unwrap().success());
    }
    for verb in [&["status"][..], &["stop"], &["run"], &["uninstall"], &["ca", "show"]] {
        ended(verb, &piped);
    }
}

#[test]
fn what_answers_and_is_not_the_daemon_is_named_and_the_way_out_works() {
    let cluster = Cluster::prepare();
    let host = &cluster.first;
    Finished::of(&mut host.install_command(&["--force"])).expect(0);
    let socket = host.state.join("agent.sock");
    let call = |verb: &[&str]| {
        let mut command = agent(verb);
        Finished::of(command.arg("--state-dir").arg(&host.state))
    };
    let code = "daemon.answer_unreadable";
    let start = format!("'ece-agent start --state-dir {}'", host.state.display());
    for said in [&b"{}\n"[..], &[b'['; 4096]] {
        host.stop_background();
        let _ = fs::remove_file(&socket);
        let asked = socket_that_says(&socket, said);
        let told = call(&["status"]).refused(1, code).stderr;
        assert!(told.contains(&format!("something answers at {}", socket.display())), "{told}");
        assert!(told.contains(&start), "{told}");
        for flags in [&["--force"][..], &["--force", "--dry-run"]] {
            Finished::of(&mut host.install_command(flags)).refused(1, code);
        }
        call(&["upgrade"]).refused(1, code);
        let before = asked.load(Ordering::Relaxed);
        call(&["status", "--wait", "--timeout", "2"]).refused(1, code);
        let times = asked.load(Ordering::Relaxed) - before;
        assert!(times < 20, "asked {times} times in two seconds");
        assert!(call(&["stop"]).expect(0).stderr.contains("no daemon is running"));
        call(&["start"]).expect(0);
        host.wait_connected();
    }
    // A daemon runs, and somebody else's socket is in the place of its own.
    let pid = host.status_json()["pid"].to_string();
    fs::remove_file(&socket).unwrap();
    socket_that_says(&socket, b"");
    let told = call(&["stop"]).refused(1, code).stderr;
    assert!(told.contains("fuser") && told.contains(&start), "{told}");
    call(&["start"]).refused(1, code);
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(within(Duration::from_secs(20), || call(&["stop"]).code == 0));
    call(&["start"]).expect(0);
    host.wait_connected();
    host.stop_background();
}

#[test]
fn what_says_all_that_a_daemon_says_is_not_taken_for_it_where_no_daemon_works() {
    let cluster = Cluster::prepare();
    let host = &cluster.first;
    Finished::of(&mut host.install_command(&["--force"])).expect(0);
    let mut status = serde_json::to_vec(&host.status_json()).unwrap();
    status.push(b'\n');
    host.stop_background();
    let socket = host.state.join("agent.sock");
    let _ = fs::remove_file(&socket);
    socket_that_says(&socket, Box::leak(status.into_boxed_slice()));
    let call = |verb: &str| {
        let mut command = agent([verb]);
        Finished::of(command.arg("--state-dir").arg(&host.state))
    };
    let code = "daemon.answer_unreadable";
    let told = call("status").refused(1, code).stderr;
    assert!(told.contains("no daemon works on the state directory"), "{told}");
    Finished::of(&mut host.install_command(&["--force"])).refused(1, code);
    assert!(call("stop").expect(0).stderr.contains("no daemon is running"));
    assert!(call("start").expect(0).stderr.contains("started"));
    host.wait_connected();
}
