//! Accounts of people and tools.

mod create;
mod delete;
mod update;

pub use create::{NewUser, create_user};
pub use delete::delete_user;
pub use update::{RolesEdit, UserEdit, set_password, update_user};

use serde_json::{Value, json};

use super::{Unfinished, stops_at_the_store};

use crate::{
    cluster::{
        app::App,
        change::Origin,
        passwords::{Busy, Party},
        records::UserRecord,
    },
    model::{Secret, printable::is_plain_text},
};

/// Users of a cluster. Each may have so many sessions, keys and connections.
pub const MOST_USERS: usize = 500;

const PASSWORD_LENGTHS: std::ops::RangeInclusive<usize> = 8..=256;

/// Bytes of a name, full name or address.
const LONGEST_TEXT: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no user {0}")]
    NotFound(String),
    #[error("there is a user {0}")]
    Conflict(String),
    #[error(
        "a user's name has 1 to 64 letters, digits, '.', '_' and '-', begins with a letter or a digit, and is not 'auth'"
    )]
    Name,
    #[error("a cluster has at most {MOST_USERS} users")]
    TooMany,
    #[error("a password has {} to {} bytes", PASSWORD_LENGTHS.start(), PASSWORD_LENGTHS.end())]
    PasswordLength,
    #[error("{0} has at most {LONGEST_TEXT} bytes of plain text")]
    Text(&'static str),
    #[error("too many passwords are being worked on; try again in a moment")]
    Busy,
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(UserError);

fn check_text(name: &'static str, text: &str) -> Result<(), UserError> {
    if is_plain_text(text) && text.len() <= LONGEST_TEXT {
        Ok(())
    } else {
        Err(UserError::Text(name))
    }
}

async fn hash(app: &App, origin: &Origin, password: &Secret) -> Result<String, UserError> {
    if !PASSWORD_LENGTHS.contains(&password.expose().len()) {
        return Err(UserError::PasswordLength);
    }
    let hash = app.passwords.hash(Party::from(&origin.actor), password).await;
    hash.map_err(|Busy| UserError::Busy)
}

/// A user as the audit shows them.
fn audited(user: &UserRecord) -> Value {
    json!({
        "full_name": user.full_name,
        "email": user.email,
        "roles": user.roles,
        "enabled": user.enabled,
    })
}

#[cfg(test)]
mod tests;
