//! How settings are read, kept and said.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use super::mistake::Checker;
use crate::model::{CoordinatorAddress, MIN_CAPACITY_MB, StorageLayout, Tags, Zone};

const DEFAULT_ZONE: &str = "ece-zone-1";

/// The value of a setting that somebody has said.
pub(super) trait Setting: Clone {
    /// As a flag takes it.
    fn in_words(&self) -> String;

    /// What a flag takes, as TOML.
    fn toml(words: &str) -> String {
        quoted(words)
    }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

macro_rules! said_as_shown {
    ($($value:ty),+) => {
        $(impl Setting for $value {
            fn in_words(&self) -> String {
                self.to_string()
            }
        })+
    };
}

said_as_shown!(IpAddr, SocketAddr, Zone, u64);

impl Setting for PathBuf {
    fn in_words(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Tags {
    fn in_words(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        pairs.join(",")
    }
}

impl Setting for Vec<String> {
    fn in_words(&self) -> String {
        self.join(",")
    }

    fn toml(words: &str) -> String {
        let each: Vec<String> = words.split(',').map(quoted).collect();
        format!("[{}]", each.join(", "))
    }
}

/// What a host keeps of a setting: its value, or whether there is one.
pub(super) trait Kept<T> {
    fn said(&self) -> Option<T>;
    /// What was given, or this.
    fn taking(&self, given: Option<T>) -> Self;
}

impl<T: Setting> Kept<T> for Option<T> {
    fn said(&self) -> Option<T> {
        self.clone()
    }

    fn taking(&self, given: Option<T>) -> Self {
        given.or_else(|| self.clone())
    }
}

impl<T: Setting> Kept<T> for T {
    fn said(&self) -> Option<T> {
        Some(self.clone())
    }

    fn taking(&self, given: Option<T>) -> Self {
        given.unwrap_or_else(|| self.clone())
    }
}

pub(super) fn parsed<T: FromStr<Err: Display>>(
    flag: &'static str,
    text: &Option<String>,
    check: &mut Checker,
) -> Option<T> {
    check.parse(flag, text.as_deref())
}

pub(super) fn zone(flag: &'static str, text: &Option<String>, check: &mut Checker) -> Zone {
    let usual = || DEFAULT_ZONE.parse().expect("it is a zone");
    parsed(flag, text, check).unwrap_or_else(usual)
}

pub(super) fn capacity(
    flag: &'static str,
    text: &Option<String>,
    check: &mut Checker,
) -> Option<u64> {
    let capacity = parsed(flag, text, check);
    if capacity.is_some_and(|capacity| capacity < MIN_CAPACITY_MB) {
        check.note(flag, format!("it is in MB, and at least {MIN_CAPACITY_MB}"));
    }
    capacity
}

pub(super) fn path(_flag: &'static str, path: &Option<PathBuf>, _check: &mut Checker) -> PathBuf {
    let path = path.clone().unwrap_or_else(|| StorageLayout::DEFAULT_PATH.into());
    std::path::absolute(&path).unwrap_or(path)
}

pub(super) fn tags(flag: &'static str, text: &Option<String>, check: &mut Checker) -> Tags {
    parsed(flag, text, check).unwrap_or_default()
}

pub(super) fn names(flag: &'static str, texts: &[String], check: &mut Checker) -> Vec<String> {
    let name = |text: &String| {
        let address: CoordinatorAddress = check.parse(flag, Some(text))?;
        Some(address.host().to_owned())
    };
    texts.iter().filter_map(name).collect()
}
