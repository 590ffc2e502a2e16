use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};

/// The port on which coordinators listen for hosts.
pub const HOSTS_PORT: u16 = 12343;

const MAX_NAME_LENGTH: usize = 253;

/// Where a coordinator can be dialled: a name or an address, and a port.
///
/// Text forms: `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1`, `[2001:db8::1]:port`.
/// Without a port it is the one for hosts, 12343.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CoordinatorAddress {
    host: String,
    port: u16,
}

impl CoordinatorAddress {
    /// Name or address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// `https://host:port`, IPv6 in brackets.
    pub fn base_url(&self) -> String {
        format!("https://{self}")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error("it is empty")]
    Empty,
    #[error("'{0}' is not a port (1 to 65535)")]
    Port(String),
    #[error("it is a URL; give a name or an address, with a port if need be")]
    Url,
    #[error("it is neither an IP address nor a host name")]
    Host,
}

impl FromStr for CoordinatorAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidAddress::Empty);
        }
        if text.contains("//") {
            return Err(InvalidAddress::Url);
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: HOSTS_PORT });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or(InvalidAddress::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| InvalidAddress::Host)?;
            let port = match after.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if after.is_empty() => HOSTS_PORT,
                None => return Err(InvalidAddress::Host),
            };
            return Ok(Self { host: host.to_owned(), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, HOSTS_PORT),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
        if host.is_empty() || host.len() > MAX_NAME_LENGTH || !host.chars().all(allowed) {
            return Err(InvalidAddress::Host);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

fn parse_port(text: &str) -> Result<u16, InvalidAddress> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(InvalidAddress::Port(text.chars().take(32).collect())),
    }
}

impl TryFrom<String> for CoordinatorAddress {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<CoordinatorAddress> for String {
    fn from(address: CoordinatorAddress) -> String {
        address.to_string()
    }
}

impl fmt::Display for CoordinatorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        text.parse::<CoordinatorAddress>().expect(text).to_string()
    }

    #[test]
    fn names_and_addresses_of_both_families_with_and_without_a_port() {
        assert_eq!(written("coordinator.example"), "coordinator.example:12343");
        assert_eq!(written("192.0.2.1:443"), "192.0.2.1:443");
        assert_eq!(written("2001:db8::1"), "[2001:db8::1]:12343");
        assert_eq!(written("[2001:db8::1]"), "[2001:db8::1]:12343");
        assert_eq!(written("[2001:db8::1]:1"), "[2001:db8::1]:1");
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let error = |text: &str| text.parse::<CoordinatorAddress>().expect_err(text);
        assert_eq!(error(" "), InvalidAddress::Empty);
        assert_eq!(error("https://a"), InvalidAddress::Url);
        assert_eq!(error("a:0"), InvalidAddress::Port("0".into()));
        assert_eq!(error("a:70000"), InvalidAddress::Port("70000".into()));
        assert_eq!(error("a b"), InvalidAddress::Host);
        assert_eq!(error("[::1"), InvalidAddress::Host);
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_back_the_same(text in "[\\[\\]a-z0-9.:-]{0,60}") {
            if let Ok(address) = text.parse::<CoordinatorAddress>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
