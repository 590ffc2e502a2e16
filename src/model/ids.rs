use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Ids that people choose: `[A-Za-z0-9._:-]{1,128}`.
const MAX_ID_LENGTH: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    #[error("it is empty")]
    Empty,
    #[error("'.' and '..' mean something else in a URL")]
    Dots,
    #[error("it has {0} characters, and at most {MAX_ID_LENGTH} are allowed")]
    TooLong(usize),
    #[error("{0:?} is not allowed in it (letters, digits, '.', '_', ':' and '-' are)")]
    Character(char),
}

fn check_grammar(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._:-".contains(*c))) {
        return Err(InvalidId::Character(bad));
    }
    if text.len() > MAX_ID_LENGTH {
        return Err(InvalidId::TooLong(text.len()));
    }
    if matches!(text, "." | "..") {
        return Err(InvalidId::Dots);
    }
    Ok(())
}

macro_rules! named_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check_grammar(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check_grammar(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

named_id! {
    /// The name of a host in its cluster; its IP address unless `--runner-id` says otherwise.
    RunnerId
}

impl RunnerId {
    /// Whether the API has something else under this name beside its hosts, which would be hidden, or
    /// the command line would take it for a flag, and people for nothing.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(['_', '-', '.'])
            || matches!(self.as_str(), "settings" | "health" | "filtered-groups" | "candidates")
    }

    /// The address that people take the name for, if that has another spelling: two hosts could
    /// look like one.
    pub fn other_spelling(&self) -> Option<IpAddr> {
        let text = self.0.trim_end_matches('.');
        let text: String = text.split_inclusive(['.', ':']).map(without_leading_zeros).collect();
        let address = text.parse::<IpAddr>().ok()?.to_canonical();
        (address.to_string() != self.0).then_some(address)
    }
}

fn without_leading_zeros(part: &str) -> &str {
    let rest = part.trim_start_matches('0');
    match rest.starts_with(|c: char| c.is_ascii_hexdigit()) {
        true => rest,
        // One of them is the number.
        false => &part[part.len() - rest.len() - usize::from(rest.len() < part.len())..],
    }
}

named_id! {
    /// An availability zone.
    Zone
}

/// The id of a roles token: its `sub` claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub Uuid);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for TokenId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// One run of the daemon on a host: a new process has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A host's identity: the fingerprint of the key it holds.
pub type KeyId = super::Fingerprint;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_runner_ids() {
        for text in ["192.168.40.79", "2001:db8::1", "rack-1.host_2"] {
            assert_eq!(text.parse::<RunnerId>().expect("a valid id").as_str(), text);
        }
    }

    #[test]
    fn names_that_the_api_has_for_something_else_are_told_apart() {
        let reserved = |text: &str| text.parse::<RunnerId>().expect("an id").is_reserved();
        assert!(reserved("_search") && reserved("health") && reserved("candidates"));
        assert!(reserved("--evict") && reserved(".hidden"));
        assert!(!reserved("health-1") && !reserved("10.0.0.1"));
    }

    #[test]
    fn a_name_that_reads_as_an_address_has_its_usual_spelling() {
        let other = |text: &str| text.parse::<RunnerId>().expect("an id").other_spelling();
        for text in [
            "127.0.0.3",
            "0.0.0.0",
            "::",
            "::1",
            "2001:db8::1",
            "rack-1",
            "1.2.3",
            "07",
            "a.0.",
            "00:x",
        ] {
            assert_eq!(other(text), None, "{text}");
        }
        for (text, usual) in [
            ("127.000.0.3", "127.0.0.3"),
            ("127.0.0.3.", "127.0.0.3"),
            ("::ffff:127.0.0.3", "127.0.0.3"),
            ("::FFFF:127.000.0.03.", "127.0.0.3"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("0000::00001", "::1"),
            ("2001:DB8::1", "2001:db8::1"),
        ] {
            assert_eq!(other(text), usual.parse().ok(), "{text}");
        }
    }

    #[test]
    fn slashes_control_characters_and_long_ids_are_refused() {
        assert_eq!("a/b".parse::<RunnerId>(), Err(InvalidId::Character('/')));
        assert_eq!("a\nb".parse::<RunnerId>(), Err(InvalidId::Character('\n')));
        assert_eq!("x".repeat(10_000).parse::<RunnerId>(), Err(InvalidId::TooLong(10_000)));
        assert_eq!("".parse::<RunnerId>(), Err(InvalidId::Empty));
        assert_eq!("..".parse::<RunnerId>(), Err(InvalidId::Dots));
    }
}
