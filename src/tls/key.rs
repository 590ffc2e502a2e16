use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::model::{Fingerprint, Secret};

/// A private key: a host's identity, a coordinator's TLS key or a CA's.
pub struct PrivateKey(KeyPair);

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not a PKCS#8 private key of a kind that is used here")]
    Unreadable,
    #[error("making a certificate failed: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the key is not accepted for TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl PrivateKey {
    /// A P-256 key: what browsers, curl and every TLS library accept.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?))
    }

    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        KeyPair::from_pem(pem).map(Self).map_err(|_| KeyError::Unreadable)
    }

    pub fn to_pem(&self) -> Secret {
        Secret::new(self.0.serialize_pem())
    }

    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of_public_key(&self.0.subject_public_key_info())
    }

    pub fn to_rustls(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }

    pub(super) fn pair(&self) -> &KeyPair {
        &self.0
    }

    pub(super) fn into_pair(self) -> KeyPair {
        self.0
    }

    /// A wrapping that TLS wants around a host's key. Its name and dates mean nothing.
    pub(super) fn self_signed_certificate(&self) -> Result<CertificateDer<'static>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "ece-agent host key");
        Ok(params.self_signed(&self.0)?.der().clone())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.fingerprint())
    }
}

pub(super) fn fingerprint_of_public_key(spki_der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, spki_der).as_ref());
    Fingerprint::from_digest(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fingerprint_of_certificate;

    #[test]
    fn a_key_and_the_certificate_around_it_have_the_same_fingerprint() {
        let key = PrivateKey::generate().expect("a key");
        let certificate = key.self_signed_certificate().expect("a certificate");
        assert_eq!(fingerprint_of_certificate(&certificate).expect("readable"), key.fingerprint());
        let again = PrivateKey::from_pem(key.to_pem().expose()).expect("its own PEM");
        assert_eq!(again.fingerprint(), key.fingerprint());
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = PrivateKey::generate().expect("a key");
        assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.fingerprint()));
    }
}
