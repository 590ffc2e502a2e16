use serde_json::json;

use super::{Attempt, carry_out};
use crate::{
    coordinator::{
        app::App,
        change::{Change, Origin},
        passwords::{Busy, Party},
        records::{UserRecord, decode, put},
    },
    model::Secret,
    store::{Room, StoreError},
};

const PASSWORD_LENGTHS: std::ops::RangeInclusive<usize> = 8..=256;

#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    #[error("there is no user {0}")]
    NoSuchUser(String),
    #[error("a password has {} to {} bytes", PASSWORD_LENGTHS.start(), PASSWORD_LENGTHS.end())]
    Length,
    #[error("too many passwords are being worked on; try again in a moment")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a user another password. From the reply on the old one is not accepted.
pub async fn set_password(
    app: &App,
    origin: &Origin,
    name: &str,
    password: &Secret,
) -> Result<(), SetPasswordError> {
    if !PASSWORD_LENGTHS.contains(&password.expose().len()) {
        return Err(SetPasswordError::Length);
    }
    // What is not known may not even be a name for a record.
    let unknown = || SetPasswordError::NoSuchUser(name.to_owned());
    app.registry.view().user(name).ok_or_else(unknown)?;
    let hash = app.passwords.hash(Party::from(&origin.actor), password).await;
    let hash = &hash.map_err(|Busy| SetPasswordError::Busy)?;
    let path = &UserRecord::path(name);
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let record = app.store.get(path).await?;
            let record = record.ok_or_else(unknown)?;
            let before: UserRecord = decode(&record)?;
            let after = UserRecord { password_hash: hash.clone(), ..before };
            let change = Change {
                ops: vec![put(path.clone(), &after, record.version)],
                action: "user.password",
                // It ends stolen sessions and keys.
                room: Room::Reserve,
                subject: name.to_owned(),
                before: json!(null),
                after: json!(null),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}
