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
                self.note(
                    flag,
                    format!("{shown:?} is not valid: {}", in_words(&error.to_string())),
                );
                None
            }
        }
    }
}

/// What the standard library says of a text that it cannot read, for who has written it.
fn in_words(error: &str) -> &str {
    match error {
        "invalid float literal" | "cannot parse float from empty string" => "it is no number",
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "it is no whole number"
        }
        "invalid socket address syntax" => "it is no IP:PORT",
        "invalid IP address syntax" => "it is no IP address",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    #[test]
    fn a_text_that_is_no_number_and_no_address_is_told_so() {
        let mut check = Checker::default();
        check.parse::<f64>("--timeout", Some("abc"));
        check.parse::<u64>("--capacity", Some("abc"));
        check.parse::<SocketAddr>("--metrics-listen", Some("abc"));
        check.parse::<IpAddr>("--host-ip", Some("abc"));
        let told: Vec<&str> = check.0.iter().map(|it| it.message.as_str()).collect();
        let expected =
            ["it is no number", "it is no whole number", "it is no IP:PORT", "it is no IP address"];
        for (told, expected) in told.iter().zip(expected) {
            assert_eq!(*told, format!("\"abc\" is not valid: {expected}"));
        }
        assert_eq!(told.len(), expected.len());
    }
}
