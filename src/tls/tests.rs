use rustls::{
    ClientConnection, Connection, PeerIncompatible, ProtocolVersion, RootCertStore,
    ServerConnection,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS12,
};

use super::*;
use crate::{model::Fingerprint, rt::Timestamp};

const NAME: &str = "10.0.0.1";

/// Dates are checked against the clock of this machine.
fn now() -> Timestamp {
    crate::rt::Clock::system().now()
}

fn identity() -> Arc<CoordinatorIdentity> {
    let (certificate, key) = ClusterAuthority::generate("c", now()).expect("an authority");
    let authority = ClusterAuthority::new(certificate, key).expect("an authority");
    let key = PrivateKey::generate().expect("a key");
    Arc::new(CoordinatorIdentity::new(authority, key, vec![NAME.into()], now()).expect("made"))
}

fn trusting(identity: &CoordinatorIdentity) -> Arc<PinVerifier> {
    Arc::new(PinVerifier::new([identity.authority().fingerprint()], []))
}

fn signing(key: &PrivateKey) -> Arc<dyn rustls::sign::SigningKey> {
    rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.to_rustls()).expect("a key for TLS")
}

fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("written to memory");
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("read from memory");
        to.process_new_packets()?;
    }
    Ok(())
}

/// Both ends after a handshake, the client's first.
fn shake_hands(
    client: ClientConfig,
    server: ServerConfig,
) -> Result<(Connection, Connection), rustls::Error> {
    let name = ServerName::try_from(NAME).expect("an address");
    let mut client: Connection = ClientConnection::new(Arc::new(client), name)?.into();
    let mut server: Connection = ServerConnection::new(Arc::new(server))?.into();
    for _ in 0..4 {
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking(), "it does not end");
    Ok((client, server))
}

fn peer(connection: &Connection) -> Option<Fingerprint> {
    let shown = connection.peer_certificates()?.first()?;
    Some(fingerprint_of_certificate(shown).expect("readable"))
}

#[test]
fn a_host_and_a_coordinator_know_each_other_by_their_keys() {
    let (identity, key) = (identity(), PrivateKey::generate().expect("a key"));
    let client = client_config(trusting(&identity), Some(&key)).expect("a client");
    let server = hosts_server_config(identity.clone()).expect("a server");
    let (client, server) = shake_hands(client, server).expect("a handshake");
    assert_eq!(peer(&client), Some(identity.key_fingerprint()));
    assert_eq!(peer(&server), Some(key.fingerprint()));
    for end in [client, server] {
        assert_eq!(end.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let suite = end.negotiated_cipher_suite().expect("a suite").suite();
        assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(end.alpn_protocol(), Some(HTTP_1_1));
    }
}

#[test]
fn nobody_without_a_key_gets_in_where_hosts_are_served() {
    let identity = identity();
    let client = || client_config(trusting(&identity), None).expect("a client");
    let hosts = hosts_server_config(identity.clone()).expect("a server");
    assert_eq!(shake_hands(client(), hosts).err(), Some(rustls::Error::NoCertificatesPresented));
    let people = api_server_config(identity.clone()).expect("a server");
    let (_, server) = shake_hands(client(), people).expect("a handshake");
    assert_eq!((peer(&server), server.alpn_protocol()), (None, Some(HTTP_1_1)));
}

#[test]
fn who_shows_the_certificate_of_another_without_its_key_is_refused() {
    let identity = identity();
    let [shown, held] = [(); 2].map(|()| PrivateKey::generate().expect("a key"));
    let certificate = shown.self_signed_certificate().expect("a certificate");
    let mixed = CertifiedKey::new(vec![certificate], signing(&held));
    let mut client = client_config(trusting(&identity), None).expect("a client");
    client.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(mixed));
    let server = hosts_server_config(identity.clone()).expect("a server");
    let error = shake_hands(client, server).expect_err("not its key");
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");

    let authority = identity.authority();
    let leaf = authority.issue(&shown, &[NAME.into()], now()).expect("a certificate");
    let chain = vec![leaf, authority.certificate().clone()];
    let mut server = api_server_config(identity.clone()).expect("a server");
    let mixed = CertifiedKey::new(chain, signing(&held));
    server.cert_resolver = Arc::new(SingleCertAndKey::from(mixed));
    let client = client_config(trusting(&identity), None).expect("a client");
    let error = shake_hands(client, server).expect_err("not its key");
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn only_people_and_tools_may_speak_tls_1_2() {
    let (identity, key) = (identity(), PrivateKey::generate().expect("a key"));
    let mut roots = RootCertStore::empty();
    roots.add(identity.authority().certificate().clone()).expect("an authority");
    let old = || {
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS12])
            .expect("TLS 1.2")
    };
    let tool = || old().with_root_certificates(roots.clone()).with_no_client_auth();
    let people = || api_server_config(identity.clone()).expect("a server");
    let (client, _) = shake_hands(tool(), people()).expect("a handshake");
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let hosts = hosts_server_config(identity.clone()).expect("a server");
    assert!(shake_hands(tool(), hosts).is_err());

    let refused = Some(rustls::Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered));
    let host = old().dangerous().with_custom_certificate_verifier(trusting(&identity));
    assert_eq!(shake_hands(host.with_no_client_auth(), people()).err(), refused);
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12])
        .expect("TLS 1.2")
        .with_client_cert_verifier(Arc::new(AnyHostKey::new()))
        .with_cert_resolver(identity.clone());
    let certificate = key.self_signed_certificate().expect("a certificate");
    let tool = old().with_root_certificates(roots.clone());
    let tool = tool.with_client_auth_cert(vec![certificate], key.to_rustls()).expect("a client");
    assert_eq!(shake_hands(tool, server).err(), refused);
}

#[test]
fn a_certificate_lives_a_week_and_its_authority_ten_years_from_an_hour_ago() {
    const DAY: i64 = 24 * 3600;
    let start = 1_800_000_000;
    let now = Timestamp::from_unix_seconds(start);
    let (certificate, key) = ClusterAuthority::generate("c", now).expect("an authority");
    let authority = ClusterAuthority::new(certificate, key).expect("an authority");
    let key = PrivateKey::generate().expect("a key");
    let leaf = authority.issue(&key, &[NAME.into()], now).expect("a certificate");
    for (certificate, days) in [(&leaf, 7), (authority.certificate(), 10 * 365)] {
        let (first, last) = validity_of_certificate(certificate).expect("readable");
        let expected = (start - 3600, start + days * DAY);
        assert_eq!((first.as_secs() as i64, last.as_secs() as i64), expected);
    }
}

#[test]
fn a_certificate_is_read_back_from_its_pem_if_it_is_pinned() {
    let (key, other) =
        (PrivateKey::generate().expect("a key"), PrivateKey::generate().expect("a key"));
    let certificate = key.self_signed_certificate().expect("a certificate");
    let pem = certificate_to_pem(&certificate);
    assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    let beside = format!("{}{pem}", "not a certificate\n");
    assert_eq!(fingerprint_of_pem(beside.as_bytes()), Ok(key.fingerprint()));
    let pins = [other.fingerprint(), key.fingerprint()];
    assert_eq!(certificate_with_pin(beside.as_bytes(), &pins).as_deref(), Some(&*pem));
    assert_eq!(certificate_with_pin(beside.as_bytes(), &pins[..1]), None);
    let longer = CertificateDer::from([&certificate[..], b"x"].concat());
    assert_eq!(fingerprint_of_certificate(&longer), Err(UnreadableCertificate));
}

#[test]
fn a_certificate_is_for_names_and_for_addresses_of_both_kinds() {
    let names = ["10.0.0.1", "a.example", "fd00::7"].map(str::to_owned);
    let authority = identity();
    let key = PrivateKey::generate().expect("a key");
    let leaf = authority.authority().issue(&key, &names, now()).expect("a certificate");
    assert_eq!(names_in_certificate(&leaf).expect("readable"), names);
}
