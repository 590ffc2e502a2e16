use crate::{cluster::records::Actor, limits::source::Source};

/// Somebody who takes turns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// A stranger there, whoever it says it is.
    Address(Source),
    /// Somebody who has said who they are.
    Known(String),
}

impl From<&Actor> for Party {
    fn from(actor: &Actor) -> Self {
        Self::Known(actor.to_string())
    }
}
