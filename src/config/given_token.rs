use serde::{Deserialize, Serialize};

use crate::{
    model::Secret,
    token::{Malformed, UnverifiedToken},
    wire::hosts::SecretText,
};

/// A roles token that was given, and what it says. What is wrong with one is told by whoever needs
/// it: a member does not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "SecretText", into = "SecretText")]
pub struct GivenToken {
    text: Secret,
    says: Result<UnverifiedToken, Malformed>,
}

impl GivenToken {
    pub fn says(&self) -> Result<&UnverifiedToken, Malformed> {
        self.says.as_ref().map_err(Clone::clone)
    }
}

impl From<SecretText> for GivenToken {
    fn from(SecretText(text): SecretText) -> Self {
        let says = UnverifiedToken::parse(text.expose());
        Self { text, says }
    }
}

impl From<GivenToken> for SecretText {
    fn from(given: GivenToken) -> Self {
        Self(given.text)
    }
}
