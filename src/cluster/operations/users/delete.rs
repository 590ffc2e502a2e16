use serde_json::Value;

use super::{UserError, audited};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        operations::{Attempt, api_keys::keys_of, carry_out},
        records::{ApiKeyRecord, UserRecord, decode},
    },
    store::{Op, Room},
};

/// Deletes a user with their keys. Nothing that they had lets anybody in again, also when somebody
/// else gets their name: sessions and keys are bound to the salted hash of a password.
pub async fn delete_user(app: &App, origin: &Origin, name: &str) -> Result<(), UserError> {
    // What is not known may not even be a name for a record.
    let unknown = || UserError::NotFound(name.to_owned());
    app.registry.view().user(name).ok_or_else(unknown)?;
    let path = &UserRecord::path(name);
    carry_out::<_, UserError>(app, origin, |_| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or_else(unknown)?;
            let user: UserRecord = decode(&record)?;
            let mut ops = vec![Op::Delete { path: path.clone(), version: record.version }];
            for key in keys_of(app, name) {
                let path = ApiKeyRecord::path(&key.id);
                if let Some(record) = app.store.get(&path).await? {
                    ops.push(Op::Delete { path, version: record.version });
                }
            }
            let change = Change {
                ops,
                action: "user.delete",
                room: Room::Reserve,
                subject: name.to_owned(),
                before: audited(&user),
                after: Value::Null,
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}
