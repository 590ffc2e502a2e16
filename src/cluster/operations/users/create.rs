use std::collections::BTreeSet;

use serde_json::Value;

use super::{MOST_USERS, UserError, audited, check_text, hash};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        operations::{Attempt, carry_out, only_addition},
        records::{Hand, UserRecord, UserRole, create},
    },
    model::Secret,
    store::Room,
};

const LONGEST_NAME: usize = 64;

pub struct NewUser {
    pub name: String,
    pub full_name: String,
    pub email: String,
    pub roles: BTreeSet<UserRole>,
    pub enabled: bool,
    pub password: Secret,
}

/// Whether this can be a user's name: in a path of the API, and in one of the store.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // The API has something else under `/users/auth`.
    text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(allowed)
        && !text.eq_ignore_ascii_case("auth")
}

/// Whether a new user may have this name. One that differs in case alone would be taken for another.
fn check_free(app: &App, name: &str) -> Result<(), UserError> {
    let users = app.registry.users();
    if let Some(same) = users.iter().find(|user| user.name.eq_ignore_ascii_case(name)) {
        return Err(UserError::Conflict(same.name.clone()));
    }
    if users.len() >= MOST_USERS { Err(UserError::TooMany) } else { Ok(()) }
}

/// Makes a user, who can log in from the reply on.
pub async fn create_user(
    app: &App,
    origin: &Origin,
    new: NewUser,
) -> Result<UserRecord, UserError> {
    if !is_name(&new.name) {
        return Err(UserError::Name);
    }
    check_text("full_name", &new.full_name)?;
    check_text("email", &new.email)?;
    check_free(app, &new.name)?;
    let hash = hash(app, origin, &new.password).await?;
    let _in_turn = app.queues.users.lock().await;
    let (path, user) = (&UserRecord::path(&new.name), &UserRecord::new(new.name, new.roles, hash));
    let user = &UserRecord {
        full_name: new.full_name,
        email: new.email,
        enabled: new.enabled,
        ..user.clone()
    };
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let addition = only_addition(app, ("users", "")).await?;
            check_free(app, &user.name)?;
            // One that cannot be read keeps its name too.
            if app.store.get(path).await?.is_some() {
                return Err(UserError::Conflict(user.name.clone()));
            }
            let made = Some(Hand { by: origin.actor.to_string(), at: now });
            let user = UserRecord { made, ..user.clone() };
            let change = Change {
                ops: vec![addition, create(path.clone(), &user)],
                action: "user.create",
                room: Room::Ordinary,
                subject: user.name.clone(),
                before: Value::Null,
                after: audited(&user),
            };
            Ok(Attempt::Commit(change, user))
        })
    })
    .await
}
