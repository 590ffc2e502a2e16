//! What the API keeps as documents: each kind with what it is told when that does not work.

use std::convert::Infallible;

use crate::{
    cluster::operations::documents::DocumentError,
    http::error::{Answer, ApiError},
};

/// A kind of documents.
pub struct Kind {
    /// Under which it is stored.
    pub name: &'static str,
    /// What one of them is called.
    pub noun: &'static str,
    pub not_found: Answer,
    pub exists: Answer,
    pub conflict: Answer,
    pub too_many: Answer,
}

impl Kind {
    pub fn not_found(&self, id: &str) -> ApiError {
        self.not_found.saying(format!("there is no {} {id}", self.noun))
    }

    pub fn exists(&self, id: &str) -> ApiError {
        self.exists.saying(format!("there is a {} {id}", self.noun))
    }

    /// `version` is the one that is there.
    pub fn conflict(&self, version: u64) -> ApiError {
        let noun = self.noun;
        self.conflict.saying(format!("the {noun} has changed since: its version is {version}"))
    }

    pub fn unreadable(&self, id: &str) -> ApiError {
        ApiError::unreadable(format!("{}/{id}", self.name))
    }

    /// What to say of the document `id`.
    pub fn error(&self, id: &str, error: DocumentError<Infallible>) -> ApiError {
        let told = error.to_string();
        match error {
            DocumentError::NotFound => self.not_found(id),
            DocumentError::Exists => self.exists(id),
            DocumentError::Conflict(version) => self.conflict(version),
            DocumentError::TooMany => self.too_many.saying(told),
            DocumentError::Invalid(never) => match never {},
            DocumentError::Unfinished(error) => error.into(),
        }
    }
}
