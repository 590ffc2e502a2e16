//! Who somebody is, by name and password.

use std::sync::Arc;

use super::{app::App, counters::password_checked, passwords::PasswordError, records::UserRecord};
use crate::{
    limits::{quiet::Quiet, source::Source},
    model::Secret,
};

/// The user, if the password was right a short while ago: this costs next to nothing.
pub fn remembered(
    app: &App,
    name: &str,
    password: &Secret,
    from: Source,
) -> Option<Arc<UserRecord>> {
    let user = app.registry.view().enabled_user(name)?;
    app.passwords.remembers(from, &user, password).then_some(user)
}

/// The user with this name and password.
pub async fn check_password(
    app: &App,
    name: &str,
    password: &Secret,
    from: Source,
) -> Result<Arc<UserRecord>, PasswordError> {
    if let Some(user) = remembered(app, name, password, from) {
        return Ok(user);
    }
    let user = app.registry.view().enabled_user(name);
    let is_known = user.is_some();
    let checked = app.passwords.check(from, name, user, password).await;
    password_checked(checked.as_ref().err());
    let checked = checked.inspect_err(|error| wrong(is_known.then_some(name), from, error))?;
    // Another password may have come while this one waited for its turn.
    let now = app.registry.view().enabled_user(name);
    let same = now.filter(|now| now.password_hash == checked.password_hash);
    same.ok_or(PasswordError::Wrong)
}

/// Logs that somebody may be guessing. What was typed as a name may be a password, unless there is
/// such a user.
fn wrong(known: Option<&str>, from: Source, error: &PasswordError) {
    static SAID: Quiet = Quiet::new();
    if let Some(left_out) = SAID.may_tell(from.address()) {
        let whom =
            known.map_or("somebody who is no user".into(), |name| format!("the user {name}"));
        let more = match left_out {
            0 => String::new(),
            more => format!("; {more} lines like this were left out"),
        };
        tracing::warn!(%from, %error, left_out, "{whom} was not let in from {from}: {error}{more}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        passwords::Passwords,
        records::{decode, put},
        testing::TestCluster,
    };

    #[tokio::test]
    async fn a_password_that_was_replaced_while_it_was_checked_lets_nobody_in() {
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let verify = move |_: &Secret, _: &str| {
            held.lock().expect("no panic").recv().expect("told");
            true
        };
        let passwords = Passwords::with(1, Box::new(verify));
        let store = Arc::new(crate::store::MemoryStore::new());
        let cluster = TestCluster::start_with(store, passwords).await;
        let (app, old) = (cluster.app.clone(), Secret::new("old"));
        let from = Source::of([10, 0, 0, 9].into());
        let checking =
            tokio::spawn(
                async move { check_password(&app, "admin", &old, from).await.map(|_| ()) },
            );
        tokio::task::yield_now().await;
        let app = &cluster.app;
        let path = UserRecord::path("admin");
        let record = app.store.get(&path).await.expect("read").expect("there");
        let user: UserRecord = decode(&record).expect("readable");
        let after = UserRecord { password_hash: "another".into(), ..user };
        let put = put(path, &after, record.version);
        app.registry.caught_up(app.store.commit(vec![put]).await.expect("committed")).await;
        go_on.send(()).expect("heard");
        assert_eq!(checking.await.expect("no panic"), Err(PasswordError::Wrong));
    }
}
