//! Operations of ECE's API that this version does not have. They are on the list, ask for the
//! permission that they would need, and say what is missing.

use crate::http::error::{Answer, ApiError};

/// One handler for each line: `name: method "path" ("parameter"), "operation", Permission, "what"`.
macro_rules! not_served {
    ($(
        $(#[$doc:meta])*
        $name:ident: $method:ident $path:literal ($($parameter:literal),*), $operation:literal,
            $permission:ty, $what:literal;
    )*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            $method,
            path = $path,
            operation_id = $operation,
            params($(($parameter = String, Path, description = "Whatever it is")),*),
            responses(
                (status = 501, description = "root.not_implemented", body = crate::wire::FailedReply)
            )
        )]
        pub async fn $name(
            _permit: crate::api::auth::Permit<$permission>,
        ) -> crate::http::error::ApiError {
            crate::api::not_served::says_not_served($what)
        }
    )*};
}

pub(super) use not_served;

/// What is said of it.
pub fn says_not_served(what: &str) -> ApiError {
    Answer::NotServed.saying(format!("this version does not serve {what}"))
}
