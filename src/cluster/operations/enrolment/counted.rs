use std::sync::Mutex;

use super::{super::Unfinished, refused::EnrolError};
use crate::{cluster::joins::Joins, model::TokenId};

/// Whether a request is counted as one host that came with its token. Who is refused is none, or they
/// would keep the others out, and who loses a race is no further one.
pub(super) struct Counted<'a> {
    joins: &'a Joins,
    with: Mutex<Option<TokenId>>,
}

impl<'a> Counted<'a> {
    pub fn not_yet(joins: &'a Joins) -> Self {
        Self { joins, with: Mutex::default() }
    }

    /// The host would be let in now.
    pub fn count(&self, token: TokenId) -> Result<(), EnrolError> {
        let mut with = self.with.lock().expect("no panic while held");
        if with.is_none() {
            self.joins.take(token).map_err(|_| EnrolError::TooMany(token))?;
            *with = Some(token);
        }
        Ok(())
    }

    pub fn give_back(&self) {
        if let Some(token) = self.with.lock().expect("no panic while held").take() {
            self.joins.give_back(token);
        }
    }

    pub fn ended_by(&self, error: &EnrolError) {
        // It may have been let in.
        if !matches!(error, EnrolError::Unfinished(Unfinished::OutcomeUnknown)) {
            self.give_back();
        }
    }
}
