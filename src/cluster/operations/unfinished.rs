/// An operation reads, and stops if it cannot.
macro_rules! stops_at_the_store {
    ($($error:ty),*) => {$(
        impl From<crate::store::StoreError> for $error {
            fn from(error: crate::store::StoreError) -> Self {
                crate::cluster::change::Unfinished::from(error).into()
            }
        }
    )*};
}

pub(super) use stops_at_the_store;
