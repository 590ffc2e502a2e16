use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{UserError, audited, check_text, hash};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        operations::{Attempt, carry_out, web_sessions},
        records::{Hand, UserRecord, UserRole, decode, put},
    },
    model::Secret,
    store::Room,
};

/// What is to be another with a user.
#[derive(Default)]
pub struct UserEdit {
    pub full_name: Option<String>,
    pub email: Option<String>,
    pub enabled: Option<bool>,
    pub roles: Option<RolesEdit>,
    pub password: Option<Secret>,
}

#[derive(Clone)]
pub enum RolesEdit {
    Set(BTreeSet<UserRole>),
    Give(BTreeSet<UserRole>),
    Take(BTreeSet<UserRole>),
}

impl RolesEdit {
    pub fn of(&self, roles: &BTreeSet<UserRole>) -> BTreeSet<UserRole> {
        match self {
            Self::Set(wanted) => wanted.clone(),
            Self::Give(more) => roles | more,
            Self::Take(less) => roles - less,
        }
    }
}

impl UserEdit {
    /// The user afterwards, with the hash of another password if there is one.
    pub fn of(&self, user: &UserRecord, hash: Option<&String>) -> UserRecord {
        let or = |given: &Option<String>, is: &String| given.as_ref().unwrap_or(is).clone();
        UserRecord {
            full_name: or(&self.full_name, &user.full_name),
            email: or(&self.email, &user.email),
            enabled: self.enabled.unwrap_or(user.enabled),
            roles: self.roles.as_ref().map_or_else(|| user.roles.clone(), |it| it.of(&user.roles)),
            password_hash: hash.unwrap_or(&user.password_hash).clone(),
            ..user.clone()
        }
    }
}

/// Changes a user. From the reply on the old password is not accepted, and nobody who was disabled
/// gets in, with whatever they have.
pub async fn update_user(
    app: &App,
    origin: &Origin,
    name: &str,
    edit: &UserEdit,
) -> Result<UserRecord, UserError> {
    // What is not known may not even be a name for a record.
    let unknown = || UserError::NotFound(name.to_owned());
    app.registry.view().user(name).ok_or_else(unknown)?;
    check_text("full_name", edit.full_name.as_deref().unwrap_or_default())?;
    check_text("email", edit.email.as_deref().unwrap_or_default())?;
    let hash = match &edit.password {
        Some(password) => Some(hash(app, origin, password).await?),
        None => None,
    };
    let (path, hash) = (&UserRecord::path(name), hash.as_ref());
    carry_out::<_, UserError>(app, origin, |now| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or_else(unknown)?;
            let before: UserRecord = decode(&record)?;
            let after = edit.of(&before, hash);
            if after == before {
                return Ok(Attempt::Settled(after));
            }
            let changed = Some(Hand { by: origin.actor.to_string(), at: now });
            let after = UserRecord { changed, ..after };
            let mut ops = vec![put(path.clone(), &after, record.version)];
            if !after.enabled {
                ops.extend(web_sessions::ends_of(app, name).await?);
            }
            let change = Change { ops, ..told(&before, &after) };
            Ok(Attempt::Commit(change, after))
        })
    })
    .await
}

/// What the audit tells of a change. It says that the password is another, and no more.
fn told(before: &UserRecord, after: &UserRecord) -> Change {
    let password = before.password_hash != after.password_hash;
    let (old, mut new) = (audited(before), audited(after));
    let rest = old != new;
    if password && rest {
        new["password"] = json!("changed");
    }
    // Another password ends stolen sessions and keys.
    let takes_away = password || !after.enabled || !after.roles.is_superset(&before.roles);
    Change {
        ops: Vec::new(),
        action: if rest { "user.update" } else { "user.password" },
        room: if takes_away { Room::Reserve } else { Room::Ordinary },
        subject: after.name.clone(),
        before: if rest { old } else { Value::Null },
        after: if rest { new } else { Value::Null },
    }
}

/// Gives a user another password. From the reply on the old one is not accepted.
pub async fn set_password(
    app: &App,
    origin: &Origin,
    name: &str,
    password: &Secret,
) -> Result<(), UserError> {
    let edit = UserEdit { password: Some(password.clone()), ..Default::default() };
    update_user(app, origin, name, &edit).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_access_away_may_use_the_reserve_and_no_hash_is_told() {
        let roles = |roles: &[UserRole]| Some(RolesEdit::Set(roles.iter().copied().collect()));
        let [viewer, admin] = [UserRole::PlatformViewer, UserRole::PlatformAdmin];
        let before = UserRecord::new("bob", [viewer], "hash-1");
        let edit = UserEdit::default;
        let (hash, none) = ("hash-2".to_owned(), None);
        for (edit, hash, action, room) in [
            (UserEdit { email: Some("a".into()), ..edit() }, none, "user.update", Room::Ordinary),
            (
                UserEdit { roles: roles(&[viewer, admin]), ..edit() },
                none,
                "user.update",
                Room::Ordinary,
            ),
            (UserEdit { roles: roles(&[admin]), ..edit() }, none, "user.update", Room::Reserve),
            (UserEdit { enabled: Some(false), ..edit() }, none, "user.update", Room::Reserve),
            (edit(), Some(&hash), "user.password", Room::Reserve),
            (
                UserEdit { email: Some("a".into()), ..edit() },
                Some(&hash),
                "user.update",
                Room::Reserve,
            ),
        ] {
            let after = edit.of(&before, hash);
            let change = told(&before, &after);
            assert_eq!((change.action, change.room), (action, room));
            let said = [&change.before, &change.after].map(Value::to_string).concat();
            assert!(!said.contains("hash-"), "{said}");
            let password = hash.is_some() && action == "user.update";
            assert_eq!(said.contains(r#""password":"changed""#), password, "{said}");
            assert_eq!(change.before.is_null(), action == "user.password");
        }
    }

    #[test]
    fn roles_are_set_given_and_taken() {
        let [viewer, admin] = [UserRole::PlatformViewer, UserRole::PlatformAdmin];
        let has = BTreeSet::from([viewer]);
        for (edit, expected) in [
            (RolesEdit::Set([admin].into()), &[admin][..]),
            (RolesEdit::Give([admin].into()), &[viewer, admin]),
            (RolesEdit::Take([viewer, admin].into()), &[]),
        ] {
            assert_eq!(edit.of(&has), expected.iter().copied().collect());
        }
    }
}
