use std::{fmt, net::IpAddr, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stored;
use crate::{model::RunnerId, rt::Timestamp, store::StorePath};

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Actor {
    User(String),
    Host(RunnerId),
    /// The setting up of the first host.
    Bootstrap,
    /// Whoever is root, or the daemon's user, on a coordinator's machine.
    Local,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(name) => write!(f, "user {name}"),
            Actor::Host(runner) => write!(f, "host {runner}"),
            Actor::Bootstrap => f.write_str("bootstrap"),
            Actor::Local => f.write_str("the coordinator's machine"),
        }
    }
}

/// Of whose room a record takes: hosts, and each user who is no administrator, have a bound of their
/// own. The name of the record tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditShare {
    Administrators,
    Hosts,
    /// This user's, whose name is not to be read here.
    User(String),
}

const OF_A_HOST: &str = "-host";
const OF_A_USER: &str = "-user-";

/// Hexadecimal digits that stand for a user.
const DIGITS: usize = 16;

impl AuditShare {
    pub fn of_user(name: &str) -> Self {
        Self::User(hex::encode(&digest(&SHA256, name.as_bytes()).as_ref()[..DIGITS / 2]))
    }

    /// Whose room the record takes that lies there.
    pub fn at(path: &StorePath) -> Self {
        let path = path.as_str();
        match path.rsplit_once(OF_A_USER) {
            Some((_, user)) => Self::User(user.to_owned()),
            None if path.ends_with(OF_A_HOST) => Self::Hosts,
            None => Self::Administrators,
        }
    }
}

impl fmt::Display for AuditShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrators => Ok(()),
            Self::Hosts => f.write_str(OF_A_HOST),
            Self::User(user) => write!(f, "{OF_A_USER}{user}"),
        }
    }
}

/// One change: written in the transaction that makes it, and never altered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub at: Timestamp,
    pub actor: Actor,
    pub source_address: IpAddr,
    pub request_id: Uuid,
    /// What was done, as `subject.verb`.
    pub action: String,
    /// The id of what it was done to.
    pub subject: String,
    pub before: serde_json::Value,
    pub after: serde_json::Value,
}

impl Stored for AuditRecord {
    const SCHEMA: u32 = 1;
}

impl AuditRecord {
    pub fn root() -> StorePath {
        StorePath::root("audit")
    }

    /// Where what was done at `at` lies. Paths are in the order of time, and no directory has more
    /// than an hour's seconds or a second's changes in it.
    fn second(at: Timestamp) -> StorePath {
        let text = at.rfc3339();
        let digits = |from: usize, to: usize| text.get(from..to).unwrap_or("00");
        let second = format!("{}{}", digits(14, 16), digits(17, 19));
        Self::root().child(digits(0, 10)).child(digits(11, 13)).child(&second)
    }

    pub fn path(&self, id: Uuid, share: &AuditShare) -> StorePath {
        Self::second(self.at).child(&format!("{}{share}", id.simple()))
    }

    /// Whether what lies there is from before `at`, to the second.
    pub fn is_before(path: &StorePath, at: Timestamp) -> bool {
        *path < Self::second(at)
    }
}

/// A place in the audit, as it is handed to whoever reads on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPlace(StorePath);

impl AuditPlace {
    pub fn of(path: StorePath) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &StorePath {
        &self.0
    }
}

impl fmt::Display for AuditPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.below(&AuditRecord::root()).unwrap_or_default().replace('/', "."))
    }
}

impl FromStr for AuditPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [day, hour, second, name] = text.split('.').collect::<Vec<_>>()[..] else {
            return Err(());
        };
        let digits = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|it| it.is_ascii_hexdigit())
        };
        let id = match name.rsplit_once(OF_A_USER) {
            Some((id, user)) if digits(user, DIGITS) => id,
            Some(_) => return Err(()),
            None => name.strip_suffix(OF_A_HOST).unwrap_or(name),
        };
        let is_day = day.len() == 10 && day.split('-').all(|part| digits(part, part.len()));
        match is_day && digits(hour, 2) && digits(second, 4) && digits(id, 32) {
            true => Ok(Self(AuditRecord::root().child(day).child(hour).child(second).child(name))),
            false => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_in_the_order_of_time_and_a_place_reads_back() {
        let at = |millis| AuditRecord {
            at: Timestamp::from_unix_millis(millis),
            actor: Actor::Local,
            source_address: [127, 0, 0, 1].into(),
            request_id: Uuid::nil(),
            action: "a.b".into(),
            subject: "s".into(),
            before: serde_json::Value::Null,
            after: serde_json::Value::Null,
        };
        let mut paths: Vec<StorePath> = [1_800_000_000_000, 1_800_000_001_000, 1_800_090_000_000]
            .into_iter()
            .map(|millis| at(millis).path(Uuid::now_v7(), &AuditShare::of_user("bob")))
            .collect();
        assert!(paths.is_sorted(), "{paths:?}");
        let last = paths.pop().expect("three");
        assert!(AuditRecord::is_before(&paths[1], Timestamp::from_unix_millis(1_800_090_000_000)));
        assert!(!AuditRecord::is_before(&last, Timestamp::from_unix_millis(1_800_090_000_000)));
        assert_eq!(AuditShare::at(&last), AuditShare::of_user("bob"));
        assert_ne!(AuditShare::at(&last), AuditShare::of_user("bo"));
        for share in [AuditShare::Hosts, AuditShare::Administrators] {
            let path = at(1_800_000_000_000).path(Uuid::now_v7(), &share);
            assert_eq!(AuditShare::at(&path), share);
            let place = AuditPlace::of(path);
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let place = AuditPlace::of(last);
        assert_eq!(place.to_string().parse(), Ok(place));
        let id = "0".repeat(32);
        for good in [format!("2026-11-26.13.0000.{id}"), format!("2026-11-26.13.0000.{id}-host")] {
            let place: AuditPlace = good.parse().expect("a place");
            assert_eq!(place.to_string(), good);
            let is_of_a_host = AuditShare::at(place.path()) == AuditShare::Hosts;
            assert_eq!(is_of_a_host, good.ends_with("-host"));
        }
        for bad in [
            format!("2026-11-2.13.0000.{id}"),
            format!("2026-1x-26.13.0000.{id}"),
            format!("2026-11-26.1.0000.{id}"),
            format!("2026-11-26.1/.0000.{id}"),
            format!("2026-11-26.13.000.{id}"),
            format!("2026-11-26.13.0000.{id}0"),
            format!("2026-11-26.13.0000.{id}-user"),
        ] {
            assert_eq!(bad.parse::<AuditPlace>(), Err(()), "{bad}");
        }
        for bad in [
            "",
            "0",
            "2026",
            "a..b",
            "a/b",
            "a.b.c.d",
            "2026-11-26.13.0000.zz",
            "2026-11-26.13.0000.-user-",
            "\u{e9}",
        ] {
            assert_eq!(bad.parse::<AuditPlace>(), Err(()), "{bad}");
        }
    }
}
