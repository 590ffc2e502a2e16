use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use zeroize::Zeroizing;

use super::{Claims, UnverifiedToken, claims::RawClaims};
use crate::model::Secret;

const KEY_BYTES: usize = 32;

/// The key that a cluster signs its roles tokens with. Its name is the `iss` claim.
pub struct SigningKey {
    name: String,
    key: Zeroizing<Vec<u8>>,
}

/// A token whose signature this cluster made. Whether it is still good is the record's to say.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    pub claims: Claims,
    /// SHA-256 of the whole text, in hexadecimal digits.
    pub text_digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no key of this cluster made this token")]
pub struct NotOurs;

impl SigningKey {
    pub fn generate(name: &str) -> Self {
        let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
        rand::fill(&mut key).expect("the system's random numbers");
        Self { name: name.to_owned(), key }
    }

    pub fn from_bytes(name: &str, key: Zeroizing<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), key }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn bytes(&self) -> &[u8] {
        &self.key
    }

    pub fn sign(&self, claims: &Claims) -> Secret {
        let header = Header::new(Algorithm::HS256);
        let key = EncodingKey::from_secret(&self.key);
        let text = encode(&header, &RawClaims::from(claims), &key)
            .expect("claims are plain JSON and an HMAC key cannot be wrong");
        Secret::new(text)
    }

    /// Expiry is not looked at: the record of the token decides.
    pub fn verify(&self, token: &UnverifiedToken) -> Result<VerifiedToken, NotOurs> {
        if token.claims().issuer != self.name {
            return Err(NotOurs);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_secret(&self.key);
        decode::<serde::de::IgnoredAny>(token.text().expose(), &key, &validation)
            .map_err(|_| NotOurs)?;
        Ok(VerifiedToken { claims: token.claims().clone(), text_digest: text_digest(token.text()) })
    }
}

/// SHA-256 of a token's whole text, in hexadecimal digits: what a store keeps instead of it.
pub fn text_digest(text: &Secret) -> String {
    hex::encode(digest(&SHA256, text.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::TokenId, rt::Timestamp};

    fn claims() -> Claims {
        Claims {
            id: TokenId(uuid::Uuid::from_u128(7)),
            roles: vec!["allocator".into()],
            issuer: "current".into(),
            expires_at: Some(Timestamp::from_unix_seconds(1_493_646_213)),
            marked_persistent: false,
            pins: vec![crate::model::Fingerprint::from_digest([1; 32])],
            coordinators: vec!["[::1]:12343".parse().expect("an address")],
            max_uses: Some(3),
        }
    }

    #[test]
    fn a_signed_token_is_read_back_and_verified_whatever_its_expiry() {
        let key = SigningKey::generate("current");
        let token = UnverifiedToken::parse(key.sign(&claims()).expose()).expect("its own token");
        let verified = key.verify(&token).expect("its own signature");
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.text_digest, text_digest(token.text()));
        let kept = SigningKey::from_bytes(key.name(), Zeroizing::new(key.bytes().to_vec()));
        assert_eq!(kept.verify(&token).expect("the same key").claims, claims());
    }

    #[test]
    fn what_is_kept_of_a_text_is_its_sha_256() {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(text_digest(&Secret::new("abc")), of_abc);
    }

    #[test]
    fn the_header_is_the_one_of_ece() {
        let text = SigningKey::generate("current").sign(&claims());
        assert!(text.expose().starts_with("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."));
    }

    #[test]
    fn another_clusters_key_and_an_altered_text_do_not_verify() {
        let key = SigningKey::generate("current");
        let token = UnverifiedToken::parse(key.sign(&claims()).expose()).expect("a token");
        assert_eq!(SigningKey::generate("current").verify(&token).err(), Some(NotOurs));

        let mut other = claims();
        other.roles = vec!["director".into()];
        let forged = SigningKey::generate("current").sign(&other);
        let (forged_body, _) = forged.expose().rsplit_once('.').expect("a signature");
        let (_, signature) = token.text().expose().rsplit_once('.').expect("a signature");
        let mixed = UnverifiedToken::parse(&format!("{forged_body}.{signature}")).expect("a shape");
        assert_eq!(key.verify(&mixed).err(), Some(NotOurs));
    }
}
