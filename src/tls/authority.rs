use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};
use rustls::pki_types::CertificateDer;

use super::{KeyError, PrivateKey, fingerprint_of_certificate};
use crate::{model::Fingerprint, rt::Timestamp};

/// The alternative name that makes a certificate a coordinator's.
pub const COORDINATOR_ROLE_URI: &str = "urn:ece-agent:role:coordinator";

/// How long a coordinator's certificate lives.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// For clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A cluster's certificate authority. It signs coordinators and nothing else.
pub struct ClusterAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl ClusterAuthority {
    /// A new authority and its private key, which nothing can read out of it later.
    pub fn generate(
        cluster: &str,
        now: Timestamp,
    ) -> Result<(CertificateDer<'static>, PrivateKey), KeyError> {
        let key = PrivateKey::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("ece-agent cluster {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = now.minus(BACKDATED).utc();
        params.not_after = now.plus(AUTHORITY_LIFETIME).utc();
        let certificate = params.self_signed(key.pair())?.der().clone();
        Ok((certificate, key))
    }

    pub fn new(certificate: CertificateDer<'static>, key: PrivateKey) -> Result<Self, KeyError> {
        let issuer = Issuer::from_ca_cert_der(&certificate, key.into_pair())?;
        Ok(Self { certificate, issuer })
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of_certificate(&self.certificate).expect("made by this program")
    }

    /// A certificate for a coordinator that is reached under `names` (host names and
    /// addresses), valid from an hour ago for [`LEAF_LIFETIME`].
    pub fn issue(
        &self,
        key: &PrivateKey,
        names: &[String],
        now: Timestamp,
    ) -> Result<CertificateDer<'static>, KeyError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params
            .subject_alt_names
            .push(SanType::URI(Ia5String::try_from(COORDINATOR_ROLE_URI.to_owned())?));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "ece-agent coordinator");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = now.minus(BACKDATED).utc();
        params.not_after = now.plus(LEAF_LIFETIME).utc();
        Ok(params.signed_by(key.pair(), &self.issuer)?.der().clone())
    }
}
