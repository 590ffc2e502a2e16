use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Mistake, flags::FlagValue};

/// Which flags the config file gives, and nothing above it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromFile {
    pub(super) file: PathBuf,
    pub(super) flags: Vec<String>,
}

impl FromFile {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }

    /// Where a person finds what was given for this flag.
    pub fn source(&self, flag: &str) -> String {
        match self.has(flag) {
            true => format!("{} in {}", key_of(flag), self.file.display()),
            false => flag.to_owned(),
        }
    }

    /// How what was given for this flag is taken back.
    pub fn leave_out(&self, flag: &str) -> String {
        match self.has(flag) {
            true => format!("Take {} out of {}", key_of(flag), self.file.display()),
            false => format!("Leave {flag} out"),
        }
    }

    /// These mistakes, each with the place where it was made.
    pub(super) fn place(&self, mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
        mistakes.iter_mut().for_each(|it| it.source = self.source(it.flag));
        mistakes
    }
}

fn key_of(flag: &str) -> &str {
    flag.trim_start_matches('-')
}

impl FlagValue for FromFile {
    fn is_given(&self) -> bool {
        !self.flags.is_empty()
    }

    fn flags_given(&self, _field: &str) -> Vec<String> {
        Vec::new()
    }
}
