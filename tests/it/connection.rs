//! Port 12343: nobody gets in without a key, and what comes in is checked.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use crate::support::{Cluster, Finished, Reply, within};

/// A key and a certificate around it, made by nobody.
fn some_key(cluster: &Cluster) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["anybody".into()]).unwrap();
    let dir = cluster.first.state.parent().unwrap();
    let (key, certificate) = (dir.join("any.key"), dir.join("any.pem"));
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    (key.display().to_string(), certificate.display().to_string())
}

fn post(cluster: &Cluster, path: &str, body: &str) -> Reply {
    let (key, certificate) = some_key(cluster);
    let url = format!("https://{}:12343{path}", cluster.first.address);
    Reply::to(&["--key", &key, "--cert", &certificate, &url, "-d", body])
}

#[test]
fn without_a_key_there_is_no_connection() {
    let cluster = Cluster::start();
    let url = format!("https://{}:12343/agent/v1/enrol", cluster.first.address);
    let asked = Finished::of(Command::new("curl").args(["-skS", "-d", "{}", &url]));
    // The server ends what it does not accept: in TLS 1.3 that shows after the client's part.
    assert_eq!(asked.code, 56, "{asked:?}");
    assert!(asked.stderr.contains("certificate required"), "{asked:?}");
    post(&cluster, "/agent/v1/enrol", "{}").failed(400, "root.invalid_body");
}

#[test]
fn an_unknown_key_has_no_session() {
    let cluster = Cluster::start();
    let poll = json!({
        "protocol": 1,
        "session": "46977b7d-a3e6-4605-b70d-1723129af8e4",
        "facts_hash": "x",
        "applied_revision": 0,
    });
    post(&cluster, "/agent/v1/session", &poll.to_string()).failed(403, "host.unknown");
}

#[test]
fn what_is_not_a_message_of_this_protocol_is_refused() {
    let cluster = Cluster::start();
    for body in ["", "{}", "[", &"[".repeat(50_000)] {
        post(&cluster, "/agent/v1/enrol", body).failed(400, "root.invalid_body");
    }
    post(&cluster, "/agent/v1/enrol", &"x".repeat(70_000)).failed(413, "root.body_too_large");
    let enrol = |protocol: u32, runner: &str| {
        json!({
            "protocol": protocol, "runner_id": runner, "roles": [], "token": "x", "facts_hash": "",
            "facts": {
                "host_ip": "10.0.0.1", "hostname": "h", "cpus": 1, "memory_bytes": 1,
                "memory_source": "physical", "capacity_flag_mb": null, "storage_bytes": 1,
                "zone": "z", "version": "0",
            },
        })
        .to_string()
    };
    post(&cluster, "/agent/v1/enrol", &enrol(2, "a")).failed(400, "coordinator.protocol");
    post(&cluster, "/agent/v1/enrol", &enrol(1, "a/b")).failed(400, "root.invalid_body");
    // No reason is told as long as the signature does not hold.
    let error = post(&cluster, "/agent/v1/enrol", &enrol(1, "a")).failed(403, "token.invalid");
    assert!(error["fix"].is_string());
    post(&cluster, "/agent/v1/nothing", "{}").failed(404, "root.resource_not_found");
}

#[test]
fn a_host_that_dials_the_port_of_the_api_is_told_so() {
    let cluster = Cluster::start();
    let host = cluster.host(2);
    let api = format!("{}:12443", cluster.first.address);
    let mut command = host.install_command(&["--coordinator-host", &api]);
    let told = Finished::of(command.args(["--roles-token", &cluster.token("")]))
        .refused(12, "coordinator.protocol");
    assert!(told.stderr.contains("12343"), "{}", told.stderr);
}

/// Shows one key's certificate and signs with another key.
#[derive(Debug)]
struct Impostor(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Impostor {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn whoever_shows_a_members_certificate_without_its_key_is_cut_off() {
    use ece_agent::tls::{PinVerifier, PrivateKey, fingerprint_of_pem};
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    ece_agent::tls::install_provider();
    let cluster = Cluster::start();
    let member = cluster.joined(2, "");
    let members_key = fs::read_to_string(member.state.join("host.key")).unwrap();
    let pair = rcgen::KeyPair::from_pem(&members_key).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let state = cluster.first.state.to_str().unwrap();
    let pem =
        Finished::of(&mut crate::support::agent(["ca", "show", "--pem", "--state-dir", state]));
    let pin = fingerprint_of_pem(pem.stdout.as_bytes()).unwrap();
    let poll = |key: &PrivateKey| {
        let signing =
            rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.to_rustls()).unwrap();
        let shown = CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap();
        let certified = rustls::sign::CertifiedKey::new(vec![shown], signing);
        let config = rustls::ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinVerifier::new([pin], [])))
            .with_client_cert_resolver(Arc::new(Impostor(Arc::new(certified))));
        let name = cluster.first.address.clone().try_into().unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect((cluster.first.address.as_str(), 12343)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let request = "GET /agent/v1/session HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).ok()?;
        stream.read_to_string(&mut answer).ok().map(|_| answer)
    };
    // With the right key the door opens (and the method is wrong); with another it does not.
    let opened = poll(&PrivateKey::from_pem(&members_key).unwrap()).unwrap();
    assert!(opened.starts_with("HTTP/1.1 405"), "{opened}");
    assert_eq!(poll(&PrivateKey::generate().unwrap()), None);
}

/// For established connections between `from` and `to`, as seen from `from`: whether the kernel's
/// timer for the next sign of life runs, and for how many hundredths of a second at most.
fn keepalive_timers(from: (&str, Option<u16>), to: (&str, Option<u16>)) -> Vec<Option<u64>> {
    let is = |shown: &str, (address, port): (&str, Option<u16>)| {
        let (shown_address, shown_port) = shown.split_once(':').unwrap();
        let octets = address.parse::<std::net::Ipv4Addr>().unwrap().octets();
        shown_address.ends_with(&format!("{:08X}", u32::from_le_bytes(octets)))
            && port.is_none_or(|port| shown_port == format!("{port:04X}"))
    };
    let all = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap());
    let lines = all.iter().flat_map(|text| text.lines().skip(1));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|it| it[3] == "01" && is(it[1], from) && is(it[2], to))
        .map(|it| {
            let (timer, left) = it[5].split_once(':').unwrap();
            (timer == "02").then(|| u64::from_str_radix(left, 16).unwrap())
        })
        .collect()
}

#[test]
fn the_kernel_watches_over_a_session_from_both_ends() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "");
    // Where a host dials from is up to the system: the first host's own sessions look the same.
    let coordinator = (cluster.first.address.as_str(), Some(12343));
    let peers = ["127.0.0.1", &host.address, &cluster.first.address];
    let within_ten_seconds = |timers: &[Option<u64>]| {
        !timers.is_empty() && timers.iter().all(|it| it.is_some_and(|left| left <= 1000))
    };
    let ends = |from_coordinator: bool| -> Vec<Option<u64>> {
        let timers = peers.iter().flat_map(|peer| match from_coordinator {
            true => keepalive_timers(coordinator, (peer, None)),
            false => keepalive_timers((peer, None), coordinator),
        });
        timers.collect()
    };
    let both_ends = || within_ten_seconds(&ends(true)) && within_ten_seconds(&ends(false));
    let watched = within(Duration::from_secs(10), both_ends);
    assert!(watched, "{:?} and {:?}", ends(true), ends(false));
}
