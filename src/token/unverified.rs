use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{Claims, claims::RawClaims};
use crate::{
    model::{Code, Failure, RoleSet, Secret},
    rt::Timestamp,
};

/// No token that a coordinator makes comes near this many bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// How far this machine's clock may be ahead before a token counts as expired here. The
/// coordinator, whose clock decides, allows none.
const EXPIRY_LEEWAY: Duration = Duration::from_secs(60);

/// A token whose shape is right, but whose signature nobody has checked: a joining host has
/// no key to do so.
#[derive(Debug, Clone)]
pub struct UnverifiedToken {
    text: Secret,
    claims: Claims,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the roles token is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the roles token has {0} dot-separated parts instead of 3; was it cut short?")]
    Parts(usize),
    #[error("the {0} of the roles token is not base64url; was it cut short?")]
    Encoding(&'static str),
    #[error("the {part} of the roles token cannot be read: {reason}")]
    Json { part: &'static str, reason: String },
    #[error("the roles token is not one that ECE makes: {0}")]
    Claim(&'static str),
    #[error("the roles token names the algorithm '{0}'; only HS256 is accepted")]
    Algorithm(String),
    #[error("the roles token names critical extensions, which ECE's tokens never have")]
    CriticalExtensions,
}

/// Why a token is of no use for this join, found before anything was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalRefusal {
    #[error("the roles token lists the role '{0}', which this version does not know")]
    UnknownRole(String),
    #[error(
        "the roles token expired at {expired_at}; by this machine's clock it is {now}, and a minute's leeway is given"
    )]
    Expired { expired_at: Timestamp, now: Timestamp },
    #[error("the roles token allows {allowed}; it does not allow {beyond}")]
    RolesExceeded { beyond: RoleSet, allowed: RoleSet },
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

impl UnverifiedToken {
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(Malformed::TooLong);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(Malformed::Parts(parts.len()));
        };
        let header: Header = read_part("header", header)?;
        if header.crit.is_some() {
            return Err(Malformed::CriticalExtensions);
        }
        if header.alg != "HS256" {
            return Err(Malformed::Algorithm(header.alg.chars().take(32).collect()));
        }
        let raw: RawClaims = read_part("claims part", claims)?;
        let claims = Claims::try_from(raw).map_err(Malformed::Claim)?;
        let signature =
            URL_SAFE_NO_PAD.decode(signature).map_err(|_| Malformed::Encoding("signature"))?;
        if signature.len() != 32 {
            return Err(Malformed::Claim("its signature is not 32 bytes; was it cut short?"));
        }
        Ok(Self { text: Secret::new(text), claims })
    }

    pub fn text(&self) -> &Secret {
        &self.text
    }

    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What can be known here about whether the token lets `requested` in.
    pub fn check_locally(&self, requested: &RoleSet, now: Timestamp) -> Result<(), LocalRefusal> {
        let allowed = self
            .claims
            .known_roles()
            .map_err(|name| LocalRefusal::UnknownRole(name.chars().take(64).collect()))?;
        let beyond = requested.beyond(&allowed);
        if !beyond.is_empty() {
            return Err(LocalRefusal::RolesExceeded { beyond, allowed });
        }
        match self.claims.expires_at {
            Some(expired_at) if now > expired_at.plus(EXPIRY_LEEWAY) => {
                Err(LocalRefusal::Expired { expired_at, now })
            }
            _ => Ok(()),
        }
    }
}

fn read_part<T: for<'de> Deserialize<'de>>(part: &'static str, text: &str) -> Result<T, Malformed> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed::Encoding(part))?;
    serde_json::from_slice(&json).map_err(|error| {
        // The position only: serde's text may quote the token.
        let reason = match error.classify() {
            serde_json::error::Category::Data => "a claim is missing, doubled or of a wrong type",
            _ => "it is not JSON",
        };
        Malformed::Json { part, reason: format!("{reason} (column {})", error.column()) }
    })
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Self {
        let code = match error {
            Malformed::Algorithm(_) | Malformed::CriticalExtensions => Code::TokenAlgorithm,
            _ => Code::TokenMalformed,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<LocalRefusal> for Failure {
    fn from(error: LocalRefusal) -> Self {
        let (code, fix) = match &error {
            LocalRefusal::UnknownRole(_) => (Code::TokenUnknownRole, None),
            LocalRefusal::Expired { .. } => (Code::TokenExpired, None),
            LocalRefusal::RolesExceeded { beyond, allowed } => {
                let other = format!(
                    "use a token for them: 'ece-agent token create --roles {beyond}' on the first host makes one"
                );
                let fix = match allowed.is_empty() {
                    true => format!(
                        "This token was made without roles: {other}; or leave --roles out, and give the host its roles once it has joined."
                    ),
                    false => format!("Ask for no more than --roles {allowed}, or {other}."),
                };
                (Code::TokenRolesExceeded, Some(fix))
            }
        };
        let failure = Failure::new(code, error.to_string());
        match fix {
            Some(fix) => failure.with_fix(fix),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EPHEMERAL_2017: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0Njk3N2I3ZC1hM2U2LTQ2MDUtYjcwZC0xNzIzMTI5YWY4ZTQiLCJyb2xlcyI6WyJwcm94eSIsImFsbG9jYXRvciJdLCJpc3MiOiJib290c3RyYXAtaW5pdGlhbCIsImV4cCI6MTQ5MzY0NjIxM30.xsaRb72CsNMuXKy6Y-PJgqLc0qmjCljlB4Smcx_MRxg";

    fn token(header: &str, claims: &str) -> String {
        let signature = URL_SAFE_NO_PAD.encode([0; 32]);
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    fn refused(claims: &str) -> Malformed {
        UnverifiedToken::parse(&token(r#"{"typ":"JWT","alg":"HS256"}"#, claims)).expect_err(claims)
    }

    const ID: &str = "46977b7d-a3e6-4605-b70d-1723129af8e4";

    #[test]
    fn a_token_is_good_until_a_minute_after_its_expiry() {
        let token = UnverifiedToken::parse(EPHEMERAL_2017).expect("a real token");
        let roles = "allocator".parse().expect("a role");
        let expiry = Timestamp::from_unix_seconds(1_493_646_213);
        assert_eq!(token.check_locally(&roles, expiry.plus(EXPIRY_LEEWAY)), Ok(()));
        let late = expiry.plus(EXPIRY_LEEWAY + Duration::from_millis(1));
        assert_eq!(
            token.check_locally(&roles, late),
            Err(LocalRefusal::Expired { expired_at: expiry, now: late })
        );
    }

    #[test]
    fn the_roles_too_many_are_named() {
        let token = UnverifiedToken::parse(EPHEMERAL_2017).expect("a real token");
        let asked = "allocator,director".parse().expect("roles");
        let error = token.check_locally(&asked, Timestamp::from_unix_seconds(0));
        let Err(LocalRefusal::RolesExceeded { beyond, .. }) = error else {
            panic!("not refused: {error:?}");
        };
        assert_eq!(beyond.to_string(), "director");
    }

    #[test]
    fn who_asks_for_more_than_the_token_allows_is_told_how_a_better_one_is_made() {
        for allowed in ["", "proxy"] {
            let (beyond, allowed) =
                ("allocator".parse().expect("a role"), allowed.parse().expect("roles"));
            let failure = Failure::from(LocalRefusal::RolesExceeded { beyond, allowed });
            let command = "'ece-agent token create --roles allocator'";
            assert!(failure.fix.contains(command), "{failure:?}");
        }
    }

    #[test]
    fn other_algorithms_and_critical_extensions_are_refused() {
        let claims = format!(r#"{{"sub":"{ID}","roles":[],"iss":"current"}}"#);
        for (header, code) in [
            (r#"{"alg":"none"}"#, "token.algorithm"),
            (r#"{"alg":"RS256"}"#, "token.algorithm"),
            (r#"{"alg":"HS256","crit":["x"]}"#, "token.algorithm"),
            (r#"{"alg":"HS256","alg":"none"}"#, "token.malformed"),
            (r#"{}"#, "token.malformed"),
        ] {
            let error = UnverifiedToken::parse(&token(header, &claims)).expect_err(header);
            assert_eq!(Failure::from(error).code(), code, "{header}");
        }
    }

    #[test]
    fn odd_claims_are_refused() {
        for rest in [
            r#""exp":"1493646213""#,
            r#""exp":1493646213.5"#,
            r#""exp":-1"#,
            r#""exp":18446744073709551616"#,
            r#""exp":1,"exp":2"#,
            r#""persistent":"true""#,
            r#""roles":"allocator""#,
            r#""ca":["sha256:xyz"]"#,
        ] {
            let claims = format!(r#"{{"sub":"{ID}","iss":"current",{rest}}}"#);
            let failure = Failure::from(refused(&claims));
            assert_eq!(failure.code(), "token.malformed", "{rest}");
            assert!(failure.message.contains("of a wrong type"), "{failure:?}");
        }
        assert!(refused("{").to_string().contains("it is not JSON"));
        refused(r#"{"sub":"not-a-uuid","iss":"current"}"#);
        refused(&format!(r#"{{"sub":"{ID}","iss":"current","exp":99999999999999}}"#));
        refused(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    }

    #[test]
    fn a_huge_token_is_refused_before_it_is_read() {
        for text in ["x".repeat(1 << 20), token("{\"alg\":\"HS256\"}", &"[".repeat(100_000))] {
            assert_eq!(UnverifiedToken::parse(&text).expect_err("too long"), Malformed::TooLong);
        }
    }

    #[test]
    fn a_token_may_have_16_kib_and_no_byte_more() {
        let claims = format!(r#"{{"sub":"{ID}","iss":"current"}}"#);
        let padded = |length| token(r#"{"alg":"HS256"}"#, &format!("{claims:length$}"));
        let longest = padded(12_239);
        assert_eq!(longest.len(), 16 * 1024);
        UnverifiedToken::parse(&longest).expect("not too long");
        let longer = padded(12_240);
        assert_eq!(longer.len(), 16 * 1024 + 1);
        assert_eq!(UnverifiedToken::parse(&longer).expect_err("too long"), Malformed::TooLong);
    }

    #[test]
    fn a_token_is_persistent_if_it_says_so_or_never_expires() {
        for (rest, persistent) in [
            (r#""exp":1493646213"#, false),
            (r#""exp":1493646213,"persistent":true"#, true),
            (r#""exp":253402300799"#, false),
            (r#""exp":null"#, true),
        ] {
            let claims = format!(r#"{{"sub":"{ID}","iss":"current",{rest}}}"#);
            let token = UnverifiedToken::parse(&token(r#"{"alg":"HS256"}"#, &claims)).expect(rest);
            assert_eq!(token.claims().is_persistent(), persistent, "{rest}");
        }
        refused(&format!(r#"{{"sub":"{ID}","iss":"current","exp":253402300800}}"#));
    }

    #[test]
    fn a_role_that_nobody_knows_is_named() {
        let claims = format!(r#"{{"sub":"{ID}","iss":"current","roles":["allocator","king"]}}"#);
        let token = UnverifiedToken::parse(&token(r#"{"alg":"HS256"}"#, &claims)).expect("a shape");
        assert_eq!(
            token.check_locally(&RoleSet::default(), Timestamp::from_unix_seconds(0)),
            Err(LocalRefusal::UnknownRole("king".into()))
        );
    }

    #[test]
    fn a_token_cut_short_anywhere_is_malformed() {
        for length in 0..EPHEMERAL_2017.len() {
            let error = UnverifiedToken::parse(&EPHEMERAL_2017[..length]).expect_err("cut short");
            assert_eq!(Failure::from(error).code(), "token.malformed", "{length}");
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = UnverifiedToken::parse(EPHEMERAL_2017).expect("a real token");
        assert!(!format!("{token:?}").contains("xsaRb72"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*") {
            let _ = UnverifiedToken::parse(&text);
        }

        #[test]
        fn no_claims_make_the_reader_panic(claims in "[\\[\\]{}\":,a-z0-9.-]{0,200}") {
            let _ = UnverifiedToken::parse(&token(r#"{"alg":"HS256"}"#, &claims));
        }
    }
}
