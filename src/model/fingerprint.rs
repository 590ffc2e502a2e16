use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const PREFIX: &str = "sha256:";

/// The SHA-256 of a key's DER SubjectPublicKeyInfo, written `sha256:` and 64 hex digits.
///
/// One encoding everywhere: in a token's `ca` claim, `--ca-fingerprint`, `ca show`, and as
/// the identity of a host's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 64 digits without the prefix, for use in a path.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn digits(&self) -> String {
        hex::encode(self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 'sha256:' and 64 hexadecimal digits, as 'ece-agent ca show' prints it")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidFingerprint)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(digits, &mut digest).map_err(|_| InvalidFingerprint)?;
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;
    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.digits())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_what_it_writes_and_nothing_else() {
        let fingerprint = Fingerprint::from_digest([7; 32]);
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for bad in ["", "sha256:", &fingerprint.digits(), &format!("{fingerprint}0")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(InvalidFingerprint), "{bad:?}");
        }
    }
}
