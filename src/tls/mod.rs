//! Keys and certificates: the cluster CA, coordinators' certificates, hosts' keys, and who
//! trusts whom.
//!
//! A host trusts a coordinator whose certificate comes from a pinned CA. A coordinator knows a
//! host by the key it proves to hold; the certificate around that key says nothing.

mod authority;
mod certificate;
mod coordinator_identity;
mod host_verifier;
mod key;
mod pin_verifier;

pub use authority::{COORDINATOR_ROLE_URI, ClusterAuthority, LEAF_LIFETIME};
pub use certificate::{
    UnreadableCertificate, certificate_to_pem, certificate_with_pin, fingerprint_of_certificate,
    fingerprint_of_pem, names_in_certificate, validity_of_certificate,
};
pub use coordinator_identity::CoordinatorIdentity;
pub use host_verifier::AnyHostKey;
pub use key::{KeyError, PrivateKey};
pub use pin_verifier::{PinVerifier, TrustError};

use std::sync::Arc;

pub use rustls::pki_types::CertificateDer;
use rustls::{
    CipherSuite, ClientConfig, ServerConfig, SupportedCipherSuite, client::Resumption,
    crypto::CryptoProvider, version::TLS13,
};

const HTTP_1_1: &[u8] = b"http/1.1";

/// Makes aws-lc-rs the provider of this process. The first thing that `main` does.
pub fn install_provider() {
    // A second call finds the same provider already there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For the port for hosts: both ends are this program, and with SHA-256, which processors have
/// instructions for, a handshake is cheaper than with SHA-384.
fn provider_for_hosts() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let is_not_first =
        |suite: &SupportedCipherSuite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(is_not_first);
    Arc::new(provider)
}

/// How a host speaks to coordinators: TLS 1.3, the pinned CA only, its own key if it has one.
pub fn client_config(
    verifier: Arc<PinVerifier>,
    key: Option<&PrivateKey>,
) -> Result<ClientConfig, KeyError> {
    let config = ClientConfig::builder_with_provider(provider_for_hosts())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key {
        Some(key) => {
            let certificate = key.self_signed_certificate()?;
            config.with_client_auth_cert(vec![certificate], key.to_rustls())?
        }
        None => config.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

/// The port for hosts: TLS 1.3, and nobody gets in without a key.
pub fn hosts_server_config(identity: Arc<CoordinatorIdentity>) -> Result<ServerConfig, KeyError> {
    let mut config = ServerConfig::builder_with_provider(provider_for_hosts())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyHostKey::new()))
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // A host keeps one connection, and proves its key for each: nobody comes back with a ticket.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The port for people and tools: TLS 1.2 and 1.3.
pub fn api_server_config(identity: Arc<CoordinatorIdentity>) -> Result<ServerConfig, KeyError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
