use std::{
    io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::rt::files;

const KEY_BYTES: usize = 32;

/// The cluster's master key: what the store holds in secret is sealed with it, and only hosts
/// that are coordinators have it, as a file.
pub struct MasterKey(RandomizedNonceKey);

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("{0} cannot be read or written: {1}")]
    Io(PathBuf, io::Error),
    #[error("{0} is missing")]
    Missing(PathBuf),
    #[error("{0} does not hold a master key")]
    Damaged(PathBuf),
    #[error("a sealed secret of the cluster does not open with this master key")]
    DoesNotOpen,
}

impl MasterKey {
    /// Reads the key, or makes it if the file is not there.
    pub fn load_or_create(file: &Path) -> Result<Self, SealError> {
        match Self::load(file) {
            Err(SealError::Missing(_)) => {
                let mut bytes = Zeroizing::new([0; KEY_BYTES]);
                rand::fill(bytes.as_mut()).expect("the system's random numbers");
                let text = Zeroizing::new(format!("{}\n", hex::encode(*bytes)).into_bytes());
                files::write_private(file, &text)
                    .map_err(|error| SealError::Io(file.to_owned(), error))?;
                Self::load(file)
            }
            loaded => loaded,
        }
    }

    /// Reads the key of a store that is there: no other one opens it.
    pub fn load(file: &Path) -> Result<Self, SealError> {
        let text = files::read_kept(file, 1024)
            .map_err(|error| SealError::Io(file.to_owned(), error))?
            .map(Zeroizing::new)
            .ok_or_else(|| SealError::Missing(file.to_owned()))?;
        Self::from_hex(&text).ok_or_else(|| SealError::Damaged(file.to_owned()))
    }

    /// A key as it stands in its file.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim_ascii(), bytes.as_mut()).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, bytes.as_ref()).map(Self).ok()
    }

    /// Seals `secret`; it opens only with the same `purpose`.
    pub fn seal(&self, purpose: &str, secret: &[u8]) -> String {
        let mut text = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose), &mut text)
            .expect("the secret is short");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&text);
        STANDARD.encode(sealed)
    }

    pub fn open(&self, purpose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let sealed = STANDARD.decode(sealed).map_err(|_| SealError::DoesNotOpen)?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::DoesNotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::DoesNotOpen)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(purpose), &mut text)
            .map_err(|_| SealError::DoesNotOpen)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_its_own_key_and_purpose_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = MasterKey::load_or_create(&dir.path().join("one")).expect("made");
        let again = MasterKey::load_or_create(&dir.path().join("one")).expect("read");
        let other = MasterKey::load_or_create(&dir.path().join("two")).expect("made");
        let sealed = key.seal("signing-key", b"secret");
        assert_eq!(again.open("signing-key", &sealed).expect("opened").as_slice(), b"secret");
        assert!(again.open("ca-key", &sealed).is_err());
        assert!(other.open("signing-key", &sealed).is_err());
    }
}
