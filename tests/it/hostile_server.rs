//! Servers that are not what they should be, and what a joining host makes of them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::support::{Cluster, Finished};

/// A CA that is not the cluster's.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A server's certificate with its chain, and the key.
    fn server(&self, names: &[&str]) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let role = "urn:ece-agent:role:coordinator".to_owned().try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(role));
        let leaf = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        (vec![leaf, self.certificate.clone()], key)
    }
}

/// Serves TLS on port 12343 of `address`; sends what each connection says after its handshake.
fn tls_server(
    address: &str,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> Receiver<Vec<u8>> {
    ece_agent::tls::install_provider();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind((address, 12343)).unwrap();
    let (said, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut bytes = vec![0; 4096];
            let length = StreamOwned::new(connection, stream).read(&mut bytes).unwrap_or(0);
            bytes.truncate(length);
            if said.send(bytes).is_err() {
                return;
            }
        }
    });
    heard
}

fn listen(address: &str, serve: impl Fn(TcpStream) + Send + 'static) {
    let listener = TcpListener::bind((address, 12343)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
}

/// A token of a real cluster, and an address where something else answers.
fn token_and_address() -> (Cluster, String, String) {
    let cluster = Cluster::start();
    let token = cluster.token("");
    let address = cluster.host(200).address.clone();
    (cluster, token, address)
}

fn join(cluster: &Cluster, address: &str, token: &str, flags: &[&str]) -> Finished {
    let host = cluster.host(2);
    let mut command = host.install_command(&["--force", "--coordinator-host", address]);
    Finished::of(command.args(["--roles-token", token]).args(flags))
}

#[test]
fn no_byte_of_a_request_reaches_a_server_of_another_authority() {
    let (cluster, token, address) = token_and_address();
    let heard = tls_server(&address, Authority::new().server(&[&address]));
    join(&cluster, &address, &token, &[]).refused(13, "trust.pin_mismatch");
    assert_eq!(heard.recv_timeout(Duration::from_secs(10)).unwrap(), b"", "something was sent");
}

#[test]
fn a_chain_that_only_shows_the_pinned_authority_is_not_enough() {
    let (cluster, token, address) = token_and_address();
    let state = cluster.first.state.to_str().unwrap();
    let pem =
        Finished::of(&mut crate::support::agent(["ca", "show", "--pem", "--state-dir", state]));
    let pinned: CertificateDer =
        rustls::pki_types::pem::PemObject::from_pem_slice(pem.stdout.as_bytes()).unwrap();
    let (mut chain, key) = Authority::new().server(&[&address]);
    chain.push(pinned);
    let heard = tls_server(&address, (chain, key));
    join(&cluster, &address, &token, &[]).refused(13, "trust.pin_mismatch");
    assert_eq!(heard.recv_timeout(Duration::from_secs(10)).unwrap(), b"", "something was sent");
}

#[test]
fn a_server_that_accepts_and_says_nothing_ends_in_a_time_out() {
    let (cluster, token, address) = token_and_address();
    let held = Arc::new(Mutex::new(Vec::new()));
    listen(&address, move |stream| held.lock().unwrap().push(stream));
    let started = Instant::now();
    join(&cluster, &address, &token, &[]).refused(12, "coordinator.timeout");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_server_that_speaks_something_else_is_told_apart() {
    let (cluster, token, address) = token_and_address();
    listen(&address, |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    join(&cluster, &address, &token, &[]).refused(12, "coordinator.not_tls");
}

#[test]
fn a_connection_that_breaks_off_is_told_and_the_next_coordinator_is_asked() {
    let (cluster, token, address) = token_and_address();
    listen(&address, drop);
    join(&cluster, &address, &token, &[]).refused(12, "coordinator.unreachable");
    let next = format!("{address},{}", cluster.first.address);
    join(&cluster, &next, &token, &[]).expect(0);
}

/// Passes bytes between a host and the real coordinator.
fn relay(
    address: &str,
    to: String,
    answers: impl Fn(TcpStream, TcpStream) + Send + Sync + 'static,
) {
    let answers = Arc::new(answers);
    listen(address, move |mut client| {
        let mut server = TcpStream::connect((to.as_str(), 12343)).unwrap();
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let answers = answers.clone();
        thread::spawn(move || answers(back.0, back.1));
        thread::spawn(move || {
            let _ = std::io::copy(&mut client, &mut server);
            let _ = server.shutdown(std::net::Shutdown::Both);
        });
    });
}

#[test]
fn a_slow_network_that_brings_byte_after_byte_is_only_slow() {
    let mut cluster = Cluster::prepare();
    let address = cluster.host(200).address.clone();
    cluster = cluster.boot(&["--external-hostname", &address]);
    relay(&address, cluster.first.address.clone(), |mut server, mut client| {
        client.set_nodelay(true).unwrap();
        let (mut byte, mut due) = ([0], Instant::now());
        while server.read_exact(&mut byte).is_ok() && client.write_all(&byte).is_ok() {
            // A relay that was late makes up for that: the network is as slow as it says, however
            // busy the machine.
            due += Duration::from_micros(200);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    });
    join(&cluster, &address, &cluster.token(""), &[]).expect(0);
}

#[test]
fn an_answer_that_is_lost_after_the_commit_burns_nothing() {
    let mut cluster = Cluster::prepare();
    let address = cluster.host(200).address.clone();
    cluster = cluster.boot(&["--external-hostname", &address]);
    let token = cluster.create_token(serde_json::json!({ "persistent": false, "max_uses": 1 }));
    let token = token["token"].as_str().unwrap();
    // What the coordinator says in the handshake passes; what comes after the request does not.
    relay(&address, cluster.first.address.clone(), |mut server, mut client| {
        let mut bytes = [0; 16 * 1024];
        let mut passed = 0;
        while let Ok(length @ 1..) = server.read(&mut bytes) {
            // Handshake and tickets are well below this, and with the answer it is well more.
            if passed + length > 2500 || client.write_all(&bytes[..length]).is_err() {
                break;
            }
            passed += length;
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
    let lost = join(&cluster, &address, token, &[]);
    assert_eq!(lost.code, 12, "{lost:#?}");
    let count = || {
        let runners = cluster.api("GET", "/platform/infrastructure/runners", None).json();
        runners["runners"].as_array().unwrap().len()
    };
    assert_eq!(count(), 2, "the answer was lost before the commit");
    join(&cluster, &cluster.first.address, token, &[]).expect(0);
    assert_eq!(count(), 2);
    let other = cluster.host(3);
    cluster.try_install(&other, token, &["--force"]).refused(14, "token.used_up");
}

#[test]
fn proxy_variables_do_not_swallow_the_connection() {
    let (cluster, token, address) = token_and_address();
    let proxy = format!("http://{address}:1");
    let host = cluster.host(2);
    let mut command =
        host.install_command(&["--force", "--coordinator-host", &cluster.first.address]);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"] {
        command.env(name, &proxy);
    }
    Finished::of(command.args(["--roles-token", &token])).expect(0);
}

#[test]
fn a_coordinator_that_restarts_under_the_join_costs_nothing_but_time() {
    let mut cluster = Cluster::start();
    let token = cluster.create_token(serde_json::json!({ "persistent": false, "max_uses": 1 }));
    let token = token["token"].as_str().unwrap().to_owned();
    let mut host = cluster.host(2);
    for _ in 0..5 {
        cluster.install(&mut host, &token, &[]);
        cluster.first.kill();
        cluster.first.run();
        cluster.first.wait_connected();
        if host.status(&["--wait", "--timeout", "3"]).code == 0 {
            break;
        }
        host.kill();
    }
    if host.status(&["--json"]).code != 0 {
        cluster.install(&mut host, &token, &[]);
    }
    host.wait_connected();
    assert!(cluster.is_connected(&host.address));
}
