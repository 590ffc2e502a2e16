use std::{borrow::Cow, fmt};

use super::{Code, Exit};

/// What an operator is told when something did not work: a stable code, what was met, and
/// what to do about it.
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
            message: message.into(),
            fix: code.fix().into(),
        }
    }

    /// With a fix that knows more than the code's own.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Cow::Owned(fix.into());
        self
    }

    /// What a coordinator said, whose code may be one that only a newer version knows.
    pub fn from_wire(code: &str, message: impl Into<String>, fix: Option<String>) -> Self {
        let message = message.into();
        match (Code::from_name(code), fix) {
            (Some(code), None) => Self::new(code, message),
            (Some(code), Some(fix)) => Self::new(code, message).with_fix(fix),
            (None, fix) => Self {
                code: code.to_owned().into(),
                exit: Exit::Refused,
                message,
                fix: fix.unwrap_or_else(|| "see the coordinator's log".into()).into(),
            },
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Failure {}
