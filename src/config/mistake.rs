use std::fmt;

use crate::model::{Code, Failure};

/// Something that was given and is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub flag: &'static str,
    /// The flag, or where in the config file it is said.
    pub source: String,
    pub message: String,
    pub code: Code,
}

impl Mistake {
    /// One failure that tells of all mistakes; there is at least one.
    pub fn failure(mistakes: &[Mistake]) -> Failure {
        let texts: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        let code = match mistakes {
            [only] => only.code,
            _ => Code::ConfigInvalid,
        };
        Failure::in_lines(code, &texts.join("\n"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.message)
    }
}

/// Collects mistakes instead of stopping at the first.
#[derive(Default)]
pub(super) struct Checker(pub(super) Vec<Mistake>);

impl Checker {
    pub(super) fn note(&mut self, flag: &'static str, message: impl Into<String>) {
        self.note_as(Code::ConfigInvalid, flag, message);
    }

    pub(super) fn note_as(&mut self, code: Code, flag: &'static str, message: impl Into<String>) {
        self.0.push(Mistake { flag, source: flag.to_owned(), message: message.into(), code });
    }

    pub(super) fn parse<T: std::str::FromStr<Err: fmt::Display>>(
        &mut self,
        flag: &'static str,
        text: Option<&str>,
    ) -> Option<T> {
        match text?.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let shown: String = text?.chars().take(64).collect();
                self.note(flag, format!("{shown:?} is not valid: {error}"));
                None
            }
        }
    }
}
