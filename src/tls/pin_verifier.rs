use std::{
    collections::HashSet,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{
    COORDINATOR_ROLE_URI,
    certificate::{
        fingerprint_of_certificate, has_uri, names_in_certificate, validity_of_certificate,
    },
};
use crate::{
    model::{Code, Failure, Fingerprint},
    rt::Timestamp,
};

/// Accepts a server whose certificate comes from a pinned CA, is for the name or address that
/// was dialled, and carries the coordinator's role.
///
/// Dates count too, except for keys that are known: a member whose clock is wrong is not
/// locked out, but [`PinVerifier::saw_wrong_date`] turns true.
#[derive(Debug)]
pub struct PinVerifier {
    pins: HashSet<Fingerprint>,
    known_keys: RwLock<HashSet<Fingerprint>>,
    algorithms: WebPkiSupportedAlgorithms,
    saw_wrong_date: AtomicBool,
}

/// Why a server is not trusted. Nothing was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    #[error(
        "the server at {dialled} showed no certificate of the pinned CA ({pins}); what it showed is of {}",
        listed(shown.iter().copied())
    )]
    PinMismatch {
        dialled: String,
        pins: String,
        /// Of the server's certificate, and of those that it is signed by, in that order.
        shown: Vec<Fingerprint>,
    },
    #[error("the coordinator's certificate is not for {dialled}; it is for {names}")]
    NameMismatch { dialled: String, names: String },
    #[error("the certificate that {dialled} showed does not carry the coordinator's role")]
    NotACoordinator { dialled: String },
    #[error(
        "the coordinator's certificate is valid from {not_before} to {not_after}, and by this machine's clock it is {now}"
    )]
    Date { not_before: Timestamp, not_after: Timestamp, now: Timestamp },
    #[error("the certificate that {dialled} showed is not valid: {reason}")]
    Invalid { dialled: String, reason: String },
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let code = match error {
            TrustError::PinMismatch { .. } | TrustError::Invalid { .. } => Code::TrustPinMismatch,
            TrustError::NameMismatch { .. } => Code::TrustNameMismatch,
            TrustError::NotACoordinator { .. } => Code::TrustNotACoordinator,
            TrustError::Date { .. } => Code::TrustCertificateDate,
        };
        Failure::new(code, error.to_string())
    }
}

impl PinVerifier {
    pub fn new(
        pins: impl IntoIterator<Item = Fingerprint>,
        known_keys: impl IntoIterator<Item = Fingerprint>,
    ) -> Self {
        Self {
            pins: pins.into_iter().collect(),
            known_keys: RwLock::new(known_keys.into_iter().collect()),
            algorithms: rustls::crypto::aws_lc_rs::default_provider()
                .signature_verification_algorithms,
            saw_wrong_date: AtomicBool::new(false),
        }
    }

    /// Coordinators' keys that the cluster told this host about.
    pub fn set_known_keys(&self, keys: impl IntoIterator<Item = Fingerprint>) {
        *self.known_keys.write().expect("no panic while held") = keys.into_iter().collect();
    }

    pub fn saw_wrong_date(&self) -> bool {
        self.saw_wrong_date.load(Ordering::Relaxed)
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), TrustError> {
        let dialled = name.to_str().into_owned();
        let invalid = |reason: String| TrustError::Invalid { dialled: dialled.clone(), reason };
        let parsed =
            ParsedCertificate::try_from(leaf).map_err(|error| invalid(error.to_string()))?;
        let roots = self.pinned_roots(leaf, chain, &dialled)?;
        let verify = |now| {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &roots,
                chain,
                now,
                self.algorithms.all,
            )
        };
        match verify(now) {
            Ok(()) => {}
            Err(Error::InvalidCertificate(error)) if is_about_dates(&error) => {
                let (first, last) =
                    validity_of_certificate(leaf).map_err(|error| invalid(error.to_string()))?;
                if !self.knows(leaf) {
                    return Err(TrustError::Date {
                        not_before: timestamp(first),
                        not_after: timestamp(last),
                        now: timestamp(now),
                    });
                }
                verify(last).map_err(|error| invalid(error.to_string()))?;
                self.saw_wrong_date.store(true, Ordering::Relaxed);
            }
            Err(error) => return Err(invalid(error.to_string())),
        }
        if !has_uri(leaf, COORDINATOR_ROLE_URI).unwrap_or(false) {
            return Err(TrustError::NotACoordinator { dialled });
        }
        verify_server_name(&parsed, name).map_err(|_| TrustError::NameMismatch {
            dialled: dialled.clone(),
            names: names_in_certificate(leaf).unwrap_or_default().join(", "),
        })
    }

    fn pinned_roots(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        dialled: &str,
    ) -> Result<RootCertStore, TrustError> {
        let mut roots = RootCertStore::empty();
        for certificate in chain {
            let pinned = fingerprint_of_certificate(certificate)
                .is_ok_and(|fingerprint| self.pins.contains(&fingerprint));
            if pinned {
                // One that cannot be an anchor is as good as absent.
                let _ = roots.add(certificate.clone().into_owned());
            }
        }
        if roots.is_empty() {
            return Err(TrustError::PinMismatch {
                dialled: dialled.to_owned(),
                pins: listed(self.pins.iter().copied()),
                shown: std::iter::once(leaf)
                    .chain(chain)
                    .filter_map(|certificate| fingerprint_of_certificate(certificate).ok())
                    .collect(),
            });
        }
        Ok(roots)
    }

    fn knows(&self, leaf: &CertificateDer<'_>) -> bool {
        fingerprint_of_certificate(leaf)
            .is_ok_and(|key| self.known_keys.read().expect("no panic while held").contains(&key))
    }
}

fn is_about_dates(error: &CertificateError) -> bool {
    use CertificateError::*;
    matches!(error, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

fn timestamp(at: UnixTime) -> Timestamp {
    Timestamp::from_unix_seconds(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

fn listed(fingerprints: impl Iterator<Item = Fingerprint>) -> String {
    let texts: Vec<String> = fingerprints.map(|fingerprint| fingerprint.to_string()).collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, server_name, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| {
                Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
            })
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
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{ClusterAuthority, LEAF_LIFETIME, PrivateKey};

    const START: i64 = 1_800_000_000;

    struct Shown {
        authority: CertificateDer<'static>,
        leaf: CertificateDer<'static>,
        key: Fingerprint,
        pin: Fingerprint,
    }

    fn coordinator(names: &[&str]) -> Shown {
        let now = Timestamp::from_unix_seconds(START);
        let (certificate, key) = ClusterAuthority::generate("c", now).expect("an authority");
        let authority = ClusterAuthority::new(certificate, key).expect("an authority");
        let key = PrivateKey::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        Shown {
            leaf: authority.issue(&key, &names, now).expect("a certificate"),
            key: key.fingerprint(),
            pin: authority.fingerprint(),
            authority: authority.certificate().clone(),
        }
    }

    fn check(verifier: &PinVerifier, shown: &Shown, name: &str, at: i64) -> Result<(), TrustError> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at as u64));
        verifier.check(&shown.leaf, std::slice::from_ref(&shown.authority), &name, now)
    }

    #[test]
    fn a_coordinator_of_the_pinned_authority_is_trusted_under_its_names_only() {
        let shown = coordinator(&["10.0.0.1", "a.example"]);
        let verifier = PinVerifier::new([shown.pin], []);
        assert_eq!(check(&verifier, &shown, "10.0.0.1", START), Ok(()));
        assert_eq!(check(&verifier, &shown, "a.example", START), Ok(()));
        assert_eq!(
            check(&verifier, &shown, "10.0.0.2", START),
            Err(TrustError::NameMismatch {
                dialled: "10.0.0.2".into(),
                names: "10.0.0.1, a.example".into()
            })
        );
    }

    #[test]
    fn another_authority_is_not_trusted() {
        let (ours, theirs) = (coordinator(&["10.0.0.1"]), coordinator(&["10.0.0.1"]));
        let verifier = PinVerifier::new([ours.pin], []);
        let error = check(&verifier, &theirs, "10.0.0.1", START).expect_err("another cluster");
        assert!(matches!(error, TrustError::PinMismatch { .. }), "{error}");
        let told = format!("({}); what it showed is of {}, {}", ours.pin, theirs.key, theirs.pin);
        assert!(error.to_string().ends_with(&told), "{error}");
        let error = check(&PinVerifier::new([], []), &theirs, "10.0.0.1", START).expect_err("none");
        assert!(error.to_string().contains("the pinned CA (none)"), "{error}");
        let mixed = Shown { authority: ours.authority, ..theirs };
        let error = check(&verifier, &mixed, "10.0.0.1", START).expect_err("a chain put together");
        assert!(matches!(error, TrustError::Invalid { .. }), "{error}");
    }

    #[test]
    fn a_certificate_without_the_coordinators_role_is_not_trusted() {
        let now = Timestamp::from_unix_seconds(START);
        let (certificate, key) = ClusterAuthority::generate("c", now).expect("an authority");
        let issuer =
            rcgen::Issuer::from_ca_cert_der(&certificate, key.into_pair()).expect("issuer");
        let key = PrivateKey::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["10.0.0.1".into()]).expect("params");
        let shown = Shown {
            leaf: params.signed_by(key.pair(), &issuer).expect("signed").der().clone(),
            key: key.fingerprint(),
            pin: fingerprint_of_certificate(&certificate).expect("readable"),
            authority: certificate,
        };
        assert_eq!(
            check(&PinVerifier::new([shown.pin], []), &shown, "10.0.0.1", START),
            Err(TrustError::NotACoordinator { dialled: "10.0.0.1".into() })
        );
    }

    #[test]
    fn a_wrong_date_locks_out_a_newcomer_and_only_warns_a_member() {
        let shown = coordinator(&["10.0.0.1"]);
        let late = START + LEAF_LIFETIME.as_secs() as i64 + 10;
        let early = START - 3600 - 10;
        let newcomer = PinVerifier::new([shown.pin], []);
        for at in [early, late] {
            let error = check(&newcomer, &shown, "10.0.0.1", at).expect_err("a wrong date");
            assert!(matches!(error, TrustError::Date { .. }), "{error}");
            let member = PinVerifier::new([shown.pin], [shown.key]);
            assert_eq!(check(&member, &shown, "10.0.0.1", START), Ok(()));
            assert!(!member.saw_wrong_date());
            assert_eq!(check(&member, &shown, "10.0.0.1", at), Ok(()));
            assert!(member.saw_wrong_date());
            member.set_known_keys([]);
            check(&member, &shown, "10.0.0.1", at).expect_err("a key that is known no longer");
        }
    }
}
