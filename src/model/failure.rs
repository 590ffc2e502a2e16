use std::{borrow::Cow, fmt};

use super::{
    Code, Exit,
    printable::{escaped, escaped_lines, without_secrets},
};

/// What an operator is told when something did not work: a stable code, what was met, and
/// what to do about it. All of it is plain text, whoever said it first, and without tokens and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: Cow<'static, str>,
    exit: Exit,
    pub message: String,
    pub fix: Cow<'static, str>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.name().into(),
            exit: code.exit(),
            message: plain(&message.into()),
            fix: code.fix().into(),
        }
    }

    /// With a message of several lines, whose ends this program has put there.
    pub fn in_lines(code: Code, message: &str) -> Self {
        Self { message: escaped_lines(&without_secrets(message)), ..Self::new(code, "") }
    }

    /// With a fix that knows more than the code's own.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Cow::Owned(plain(&fix.into()));
        self
    }

    /// With something more that whoever reads it should know.
    pub fn adding(mut self, more: &str) -> Self {
        self.message = format!("{}; {}", self.message, plain(more));
        self
    }

    /// What a coordinator said, whose code may be one that only a newer version knows.
    pub fn from_wire(code: &str, message: impl Into<String>, fix: Option<String>) -> Self {
        match (Code::from_name(code), fix) {
            (Some(code), None) => Self::new(code, message),
            (Some(code), Some(fix)) => Self::new(code, message).with_fix(fix),
            (None, fix) => Self {
                code: escaped(code).into_owned().into(),
                exit: Exit::Refused,
                ..Self::new(Code::Internal, message)
                    .with_fix(fix.unwrap_or_else(|| "see the coordinator's log".into()))
            },
        }
    }

    /// What somebody said who is trusted less than whoever reads it: advice is this program's own,
    /// and what it does not know is theirs.
    pub fn from_untrusted(code: &str, message: &str) -> Self {
        match Code::from_name(code) {
            Some(code) => Self::new(code, message),
            None => {
                let theirs = format!("in words of its own it says: {message} [{code}]");
                Self { fix: "".into(), ..Self::new(Code::DaemonAnswerUnreadable, theirs) }
            }
        }
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn is(&self, code: Code) -> bool {
        self.code == code.name()
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }
}

fn plain(text: &str) -> String {
    escaped(&without_secrets(text)).into_owned()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_of_somebody_who_is_not_trusted_is_never_shown_as_ones_own() {
        let known = Failure::from_untrusted("state.in_use", "it is");
        assert_eq!((known.code(), &*known.fix), ("state.in_use", Code::StateInUse.fix()));
        let unknown = Failure::from_untrusted("all.well", "run this");
        assert_eq!((unknown.code(), &*unknown.fix), ("daemon.answer_unreadable", ""));
        assert!(unknown.message.contains("it says: run this [all.well]"), "{unknown}");
        let trusted = Failure::from_wire("state.in_use", "it is", Some("do that".into()));
        assert_eq!(trusted.fix, "do that");
    }
}
