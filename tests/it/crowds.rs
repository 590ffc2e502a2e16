//! Those who are known and want more than their share: others are served, and descriptors stay.

use std::{
    fs,
    io::{ErrorKind, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ece_agent::tls::PrivateKey;
use serde_json::json;

use crate::support::{Caller, Cluster, Host, Raw, answer, request, within};

fn open_files(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).unwrap().count()
}

fn poll() -> String {
    let body = json!({
        "protocol": 1,
        "session": "46977b7d-a3e6-4605-b70d-1723129af8e4",
        "facts_hash": "x",
        "applied_revision": 0,
    });
    let headers = "Content-Type: application/json\r\n";
    request("POST /agent/v1/session", headers, &body.to_string())
}

fn ask(stream: &mut dyn Raw, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    answer(stream).map(|(head, _)| head)
}

#[test]
fn a_member_has_a_handful_of_connections_however_many_it_opens() {
    let cluster = Cluster::start();
    let other = cluster.joined(2, "allocator");
    let mut member = cluster.joined(3, "");
    member.kill();
    let key = fs::read_to_string(member.state.join("host.key")).unwrap();
    let caller = Caller::new(&cluster, Some(&PrivateKey::from_pem(&key).unwrap()));
    let before = open_files(&cluster.first);
    let mut held: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = caller.connect(12343);
            let head = ask(&mut *stream, &poll()).unwrap();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            stream
        })
        .collect();
    let bounded = within(Duration::from_secs(2), || open_files(&cluster.first) <= before + 20);
    assert!(bounded, "{} open files, and {before} before", open_files(&cluster.first));
    let latest = ask(&mut **held.last_mut().unwrap(), &poll()).unwrap();
    assert!(latest.starts_with("http/1.1 200"), "{latest}");
    assert!(ask(&mut *held[0], &poll()).is_err(), "the oldest is still there");
    assert_eq!(other.status_json()["connected"], true);
    assert!(cluster.is_connected(&other.address));
}

fn enrolment(token: &str, number: usize) -> String {
    let body = json!({
        "protocol": 1, "runner_id": format!("crowd-{number}"), "roles": [], "token": token,
        "facts_hash": "x",
        "facts": {
            "host_ip": "10.0.0.1", "hostname": "h", "cpus": 1, "memory_bytes": 1,
            "memory_source": "physical", "capacity_flag_mb": null, "storage_bytes": 1,
            "zone": "z", "version": "0",
        },
    });
    request("POST /agent/v1/enrol", "Content-Type: application/json\r\n", &body.to_string())
}

#[test]
fn hosts_that_enrol_and_keep_no_session_have_the_room_of_strangers() {
    // Of which 20 are for the strangers at one address, and 120 for hosts.
    let cluster = with_open_files(256);
    let other = cluster.joined(2, "allocator");
    let token = cluster.token("");
    let before = open_files(&cluster.first);
    let mut most = 0;
    let held: Vec<_> = (0..60)
        .map(|number| {
            let key = PrivateKey::generate().unwrap();
            let mut stream = Caller::new(&cluster, Some(&key)).connect(12343);
            let head = ask(&mut *stream, &enrolment(&token, number)).unwrap();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            most = most.max(open_files(&cluster.first));
            stream
        })
        .collect();
    assert!(most <= before + 30, "{most} open files, and {before} before");
    cluster.joined(3, "allocator");
    assert!(cluster.is_connected(&other.address));
    drop(held);
}

#[test]
fn a_user_has_a_bounded_number_of_connections_from_one_address() {
    let cluster = Cluster::start();
    let caller = Caller::new(&cluster, None);
    let credentials = STANDARD.encode(cluster.readonly());
    let headers = format!("Authorization: Basic {credentials}\r\n");
    let read = request("GET /api/v1/platform", &headers, "");
    let before = open_files(&cluster.first);
    let mut held: Vec<_> = (0..400)
        .map(|_| {
            let mut stream = caller.connect(12443);
            let head = ask(&mut *stream, &read).unwrap();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            stream
        })
        .collect();
    let now = || open_files(&cluster.first);
    assert!(within(Duration::from_secs(2), || now() <= before + 270), "{} from {before}", now());
    assert!(ask(&mut **held.last_mut().unwrap(), &read).is_ok());
    cluster.api("GET", "/platform", None).expect(200);
}

/// A cluster whose coordinator may have so many open files.
fn with_open_files(limit: usize) -> Cluster {
    let mut cluster = Cluster::prepare();
    let install = cluster.first.install_command(&["--foreground"]);
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={limit}:{limit}")).arg(install.get_program());
    cluster.first.spawn(limited.args(install.get_args()));
    cluster.first.wait_connected();
    cluster
}

#[test]
fn with_few_descriptors_the_coordinator_keeps_those_that_it_needs() {
    const LIMIT: usize = 256;
    let cluster = with_open_files(LIMIT);
    let caller = Caller::new(&cluster, Some(&PrivateKey::generate().unwrap()));
    let credentials = STANDARD.encode(cluster.readonly());
    let headers = format!("Authorization: Basic {credentials}\r\n");
    let read = request("GET /api/v1/platform", &headers, "");
    let address = cluster.first.address.as_str();
    let mut held: Vec<Box<dyn Raw>> = Vec::new();
    for _ in 0..100 {
        for port in [12343, 12400, 12346] {
            held.push(Box::new(TcpStream::connect((address, port)).unwrap()));
        }
        let mut stream = caller.connect(12443);
        assert!(ask(&mut *stream, &read).unwrap().starts_with("http/1.1 200"));
        held.push(stream);
    }
    let open = fs::read_dir(format!("/proc/{}/fd", cluster.first.pid())).unwrap().count();
    assert!(open < LIMIT - 10, "{open} open files");
    cluster.api("GET", "/platform", None).expect(200);
    cluster.joined(2, "");
    let log = cluster.first.log();
    assert!(!log.contains("cannot accept a connection"), "{log}");
}

#[test]
fn a_client_that_never_reads_its_answer_is_cut_off() {
    let cluster = Cluster::start();
    let caller = Caller::new(&cluster, None);
    let before = open_files(&cluster.first);
    let unread: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = caller.connect(12443);
            let download = request("GET /downloads/ece-agent", "", "");
            stream.write_all(download.as_bytes()).unwrap();
            stream.flush().unwrap();
            stream
        })
        .collect();
    assert!(within(Duration::from_secs(10), || open_files(&cluster.first) >= before + 20));
    assert!(within(Duration::from_secs(60), || open_files(&cluster.first) < before + 10));
    drop(unread);
}

#[test]
fn a_client_that_asks_without_end_and_reads_nothing_is_cut_off() {
    let cluster = Cluster::start();
    let mut greedy = TcpStream::connect((cluster.first.address.as_str(), 12400)).unwrap();
    greedy.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let requests = request("GET /", "", "").repeat(1000);
    let mut refused = None;
    assert!(within(Duration::from_secs(60), || {
        refused = greedy.write_all(requests.as_bytes()).err().map(|error| error.kind());
        !matches!(refused, None | Some(ErrorKind::WouldBlock))
    }));
    assert!(matches!(refused, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)));
}
