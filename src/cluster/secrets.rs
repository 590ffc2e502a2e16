use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    records::{AuthorityRecord, ClusterRecord, SigningKeyRecord},
    seal::{MasterKey, SealError},
};
use crate::{
    model::Fingerprint,
    rt::Timestamp,
    tls::{CertificateDer, ClusterAuthority, KeyError, PrivateKey, certificate_to_pem},
    token::{NotOurs, SigningKey, UnverifiedToken, VerifiedToken},
};

const AUTHORITY_KEY: &str = "cluster authority key";

fn signing_key_purpose(name: &str) -> String {
    format!("signing key {name}")
}

/// A cluster whose secrets have been opened.
pub struct Cluster {
    pub id: String,
    pub created_at: Timestamp,
    /// The keys of all its CAs, the signing one first.
    pub pins: Vec<Fingerprint>,
    /// The CA that signs now, as PEM.
    pub ca_certificate: String,
    signing_keys: Vec<SigningKey>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the cluster's CA cannot be used: {0}")]
    Key(#[from] KeyError),
    #[error("the cluster's record is damaged: {0}")]
    Damaged(&'static str),
}

impl Cluster {
    /// Opens the cluster's secrets, and the CA that signs for it.
    pub fn open(
        record: &ClusterRecord,
        master: &MasterKey,
    ) -> Result<(Self, ClusterAuthority), ClusterError> {
        let current = record.authorities.first().ok_or(ClusterError::Damaged("it has no CA"))?;
        let certificate = STANDARD
            .decode(&current.certificate)
            .map_err(|_| ClusterError::Damaged("its CA's certificate is not base64"))?;
        let pem = master.open(AUTHORITY_KEY, &current.sealed_key)?;
        let pem = std::str::from_utf8(&pem).map_err(|_| ClusterError::Damaged("its CA's key"))?;
        let authority =
            ClusterAuthority::new(CertificateDer::from(certificate), PrivateKey::from_pem(pem)?)?;
        let signing_keys = record
            .signing_keys
            .iter()
            .map(|key| {
                let bytes = master.open(&signing_key_purpose(&key.name), &key.sealed_key)?;
                Ok(SigningKey::from_bytes(&key.name, bytes))
            })
            .collect::<Result<_, SealError>>()?;
        let cluster = Self {
            id: record.cluster_id.clone(),
            created_at: record.created_at,
            pins: record.authorities.iter().map(|authority| authority.fingerprint).collect(),
            ca_certificate: certificate_to_pem(authority.certificate()),
            signing_keys,
        };
        Ok((cluster, authority))
    }

    /// The key that new tokens are signed with.
    pub fn signing_key(&self) -> Option<&SigningKey> {
        self.signing_keys.first()
    }

    pub fn verify(&self, token: &UnverifiedToken) -> Result<VerifiedToken, NotOurs> {
        self.signing_keys.iter().find_map(|key| key.verify(token).ok()).ok_or(NotOurs)
    }
}

pub(super) fn seal_authority(
    master: &MasterKey,
    certificate: &CertificateDer<'_>,
    key: &PrivateKey,
) -> AuthorityRecord {
    AuthorityRecord {
        fingerprint: key.fingerprint(),
        certificate: STANDARD.encode(certificate),
        sealed_key: master.seal(AUTHORITY_KEY, key.to_pem().expose().as_bytes()),
    }
}

pub(super) fn seal_signing_key(master: &MasterKey, key: &SigningKey) -> SigningKeyRecord {
    SigningKeyRecord {
        name: key.name().to_owned(),
        sealed_key: master.seal(&signing_key_purpose(key.name()), key.bytes()),
    }
}
