use std::sync::{Arc, RwLock};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{ClusterAuthority, KeyError, LEAF_LIFETIME, PrivateKey};
use crate::{model::Fingerprint, rt::Timestamp};

/// What a coordinator shows in TLS: a short-lived certificate around a key that stays, and
/// the CA's, so that a pin is enough to check them.
pub struct CoordinatorIdentity {
    authority: ClusterAuthority,
    key: PrivateKey,
    names: Vec<String>,
    current: RwLock<Current>,
}

struct Current {
    certified: Arc<CertifiedKey>,
    issued_at: Timestamp,
}

impl CoordinatorIdentity {
    pub fn new(
        authority: ClusterAuthority,
        key: PrivateKey,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let current = RwLock::new(issue(&authority, &key, &names, now)?);
        Ok(Self { authority, key, names, current })
    }

    pub fn key_fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    pub fn authority(&self) -> &ClusterAuthority {
        &self.authority
    }

    /// Replaces the certificate if a third of its life is over, or if the clock went back to
    /// before it was made.
    pub fn renew_if_due(&self, now: Timestamp) -> Result<bool, KeyError> {
        let issued_at = self.current.read().expect("no panic while held").issued_at;
        if now >= issued_at && now < issued_at.plus(LEAF_LIFETIME / 3) {
            return Ok(false);
        }
        let renewed = issue(&self.authority, &self.key, &self.names, now)?;
        *self.current.write().expect("no panic while held") = renewed;
        Ok(true)
    }
}

fn issue(
    authority: &ClusterAuthority,
    key: &PrivateKey,
    names: &[String],
    now: Timestamp,
) -> Result<Current, KeyError> {
    let leaf = authority.issue(key, names, now)?;
    let signing_key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.to_rustls())?;
    let chain = vec![leaf, authority.certificate().clone()];
    Ok(Current { certified: Arc::new(CertifiedKey::new(chain, signing_key)), issued_at: now })
}

impl ResolvesServerCert for CoordinatorIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().expect("no panic while held").certified.clone())
    }
}

impl std::fmt::Debug for CoordinatorIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoordinatorIdentity").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_a_third_of_its_life_with_the_same_key() {
        let start = Timestamp::from_unix_seconds(1_800_000_000);
        let (certificate, key) = ClusterAuthority::generate("c", start).expect("an authority");
        let authority = ClusterAuthority::new(certificate, key).expect("an authority");
        let key = PrivateKey::generate().expect("a key");
        let identity =
            CoordinatorIdentity::new(authority, key, vec!["10.0.0.1".into()], start).expect("made");
        let before = identity.key_fingerprint();

        let a_third = start.plus(LEAF_LIFETIME / 3);
        assert!(
            !identity.renew_if_due(a_third.minus(std::time::Duration::from_secs(1))).expect("ok")
        );
        assert!(identity.renew_if_due(a_third).expect("renewed"));
        assert!(!identity.renew_if_due(a_third).expect("not due"));
        assert!(identity.renew_if_due(start).expect("renewed"), "the clock was ahead");
        assert_eq!(identity.key_fingerprint(), before);
    }
}
