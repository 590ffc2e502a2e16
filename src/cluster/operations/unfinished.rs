use crate::store::StoreError;

/// Why an operation came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    #[error("whoever asked for this may not do it any more")]
    Withdrawn,
    #[error("what this depends on changes faster than it can be decided upon")]
    Contended,
    /// Not done again without looking: it may have been done.
    #[error("whether the change was made is not known")]
    OutcomeUnknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An operation reads, and stops if it cannot.
macro_rules! stops_at_the_store {
    ($($error:ty),*) => {$(
        impl From<crate::store::StoreError> for $error {
            fn from(error: crate::store::StoreError) -> Self {
                crate::cluster::operations::Unfinished::from(error).into()
            }
        }
    )*};
}

pub(super) use stops_at_the_store;
