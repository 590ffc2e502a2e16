use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::certificate::holds_p256_key;

/// Bytes of the certificate that a host shows: its own has some 400.
const LONGEST: usize = 2048;

/// What is shown is not what a host shows; it would cost more to look at.
#[derive(Debug, thiserror::Error)]
#[error("a host shows one certificate, of at most {LONGEST} bytes, around a P-256 key")]
struct NoHost;

/// Lets in whoever proves to hold the key in the certificate shown, of the kind that hosts have. Who that is, and what they
/// may do, is decided by the key's fingerprint on every request.
#[derive(Debug)]
pub struct AnyHostKey(WebPkiSupportedAlgorithms);

impl AnyHostKey {
    pub(super) fn new() -> Self {
        Self(rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms)
    }
}

impl ClientCertVerifier for AnyHostKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.is_empty() && end_entity.len() <= LONGEST && holds_p256_key(end_entity) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NoHost)))))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;

    fn certificate(kind: &'static SignatureAlgorithm, names: usize) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(kind).expect("a key");
        let names: Vec<String> = (0..names).map(|number| format!("{number}.example")).collect();
        let params = CertificateParams::new(names).expect("parameters");
        params.self_signed(&key).expect("a certificate").der().clone()
    }

    #[test]
    fn a_key_of_another_kind_a_chain_and_a_long_certificate_are_refused() {
        crate::tls::install_provider();
        let shown = |certificate: &CertificateDer<'_>, chain: &[CertificateDer<'_>]| {
            let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
            AnyHostKey::new().verify_client_cert(certificate, chain, now)
        };
        let own = certificate(&rcgen::PKCS_ECDSA_P256_SHA256, 0);
        shown(&own, &[]).expect("a host's");
        shown(&own, std::slice::from_ref(&own)).expect_err("a chain");
        shown(&certificate(&rcgen::PKCS_ECDSA_P256_SHA256, 200), &[]).expect_err("a long one");
        for kind in
            [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ECDSA_P521_SHA512, &rcgen::PKCS_ED25519]
        {
            let refused = shown(&certificate(kind, 0), &[]).expect_err("another kind");
            assert!(
                matches!(&refused, Error::InvalidCertificate(CertificateError::Other(why))
                    if why.to_string().contains("around a P-256 key")),
                "{refused}"
            );
        }
        shown(&CertificateDer::from(vec![0x30, 0x80, 1]), &[]).expect_err("no certificate");
    }
}
