use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::cluster::{
    change::{Credential, Standing},
    operations::api_keys::{ApiKeyError, KeyOf, create_key, delete_keys, keys_of, user_of_key},
    passwords::Passwords,
    records::{Actor, UserRole},
    testing::TestCluster,
};

fn new(name: &str) -> NewUser {
    NewUser {
        name: name.into(),
        full_name: String::new(),
        email: String::new(),
        roles: BTreeSet::from([UserRole::PlatformViewer]),
        enabled: true,
        password: Secret::new("one-password"),
    }
}

#[tokio::test]
async fn who_gets_the_name_of_a_former_user_gets_nothing_that_they_had() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let user = Arc::new(create_user(app, &origin, new("bob")).await.expect("made"));
    let key = create_key(app, &origin, &user, "d", None).await.expect("made");
    let session = app.sessions.open(&user);
    delete_user(app, &origin, "bob").await.expect("deleted");
    assert!(app.store.get(&UserRecord::path("bob")).await.expect("read").is_none());
    assert!(app.registry.api_keys().is_empty());
    // A key that was being made just then.
    let late = create_key(app, &origin, &user, "late", None).await.expect("made");
    let late_session = app.sessions.open(&user);
    let same_again = create_user(app, &origin, new("bob")).await.expect("made");
    for key in [key, late] {
        assert!(user_of_key(app, key.text.expose()).is_none());
    }
    for session in [session, late_session] {
        assert!(!app.sessions.holds(session.expose(), &same_again));
    }
}

#[tokio::test]
async fn a_disabled_users_sessions_end_and_keys_rest() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let user = Arc::new(create_user(app, &origin, new("bob")).await.expect("made"));
    let key = create_key(app, &origin, &user, "d", None).await.expect("made");
    let session = app.sessions.open(&user);
    let others = app.sessions.open(&app.registry.view().user("admin").expect("there"));
    let enabled = |enabled| UserEdit { enabled: Some(enabled), ..Default::default() };
    update_user(app, &origin, "bob", &enabled(false)).await.expect("disabled");
    assert!(user_of_key(app, key.text.expose()).is_none());
    let now = update_user(app, &origin, "bob", &enabled(true)).await.expect("enabled");
    assert!(user_of_key(app, key.text.expose()).is_some());
    assert!(!app.sessions.holds(session.expose(), &now));
    assert!(app.sessions.user(others.expose()).is_some());
}

#[tokio::test]
async fn there_are_at_most_500_users_however_many_are_made_at_once() {
    // Hashing is not what is looked at.
    let cluster = TestCluster::start_with(
        std::sync::Arc::new(crate::store::MemoryStore::new()),
        Passwords::default(),
    )
    .await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let ops: Vec<_> = (2..MOST_USERS - 2)
        .map(|number| {
            let user = UserRecord::new(format!("u{number}"), [], "");
            crate::cluster::records::create(UserRecord::path(&user.name), &user)
        })
        .collect();
    app.registry.caught_up(app.store.commit(ops).await.expect("committed")).await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..5 {
        let (app, origin) = (app.clone(), origin.clone());
        asked.spawn(async move { create_user(&app, &origin, new(&format!("late{number}"))).await });
    }
    let made = asked.join_all().await;
    assert_eq!(made.iter().filter(|it| it.is_ok()).count(), 2);
    assert!(made.iter().all(|it| matches!(it, Ok(_) | Err(UserError::TooMany))));
    assert_eq!(app.registry.users().len(), MOST_USERS);
}

#[tokio::test]
async fn names_fit_into_paths_and_differ_in_more_than_case() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let long = "x".repeat(65);
    for bad in ["", ".", "..", "-a", "a/b", "a b", "auth", "Auth", "ä", "a\n", &long] {
        let made = create_user(app, &origin, new(bad)).await;
        assert!(matches!(made, Err(UserError::Name)), "{bad}");
    }
    for taken in ["admin", "Admin", "READONLY"] {
        let made = create_user(app, &origin, new(taken)).await;
        assert!(matches!(made, Err(UserError::Conflict(_))), "{taken}");
    }
    let odd = NewUser { full_name: "a\u{202e}b".into(), ..new("bob") };
    assert!(matches!(create_user(app, &origin, odd).await, Err(UserError::Text("full_name"))));
}

#[tokio::test]
async fn who_was_let_go_while_they_asked_changes_nothing_any_more() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let is_admin = |user: &UserRecord| user.is_one_of(&[UserRole::PlatformAdmin]);
    let lettings_go = [
        UserEdit { enabled: Some(false), ..Default::default() },
        UserEdit { password: Some(Secret::new("another-password")), ..Default::default() },
        UserEdit { roles: Some(RolesEdit::Set(BTreeSet::new())), ..Default::default() },
    ];
    for (number, edit) in lettings_go.iter().map(Some).chain([None]).enumerate() {
        let name = format!("admin-{number}");
        let roles = BTreeSet::from([UserRole::PlatformAdmin]);
        let user = create_user(app, &origin, NewUser { roles, ..new(&name) }).await.expect("made");
        let credential = Credential::Password;
        let standing = Some(Standing { user: Arc::new(user), allows: is_admin, credential });
        let theirs = Origin { actor: Actor::User(name.clone()), standing, ..origin.clone() };
        let made = |name: String| create_user(app, &theirs, new(&name));
        made(format!("before-{number}")).await.expect("an admin makes users");
        // What changes nothing of their standing is no hindrance.
        let renamed = UserEdit { full_name: Some("A".into()), ..Default::default() };
        update_user(app, &origin, &name, &renamed).await.expect("renamed");
        made(format!("still-{number}")).await.expect("an admin makes users");
        match edit {
            Some(edit) => drop(update_user(app, &origin, &name, edit).await.expect("let go")),
            None => delete_user(app, &origin, &name).await.expect("deleted"),
        }
        let late = made(format!("late-{number}")).await;
        assert!(matches!(late, Err(UserError::Unfinished(Unfinished::Withdrawn))), "{number}");
        let own = UserEdit { full_name: Some("B".into()), ..Default::default() };
        assert!(update_user(app, &theirs, &name, &own).await.is_err(), "{number}");
        assert!(app.registry.view().user(&format!("late-{number}")).is_none());
    }
}

#[tokio::test]
async fn what_a_user_came_with_must_still_be_good_when_they_change_something() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let admin = app.registry.view().user("admin").expect("a user");
    let key = create_key(app, &origin, &admin, "a key", None).await.expect("made").record;
    let session = app.sessions.open(&admin);
    let credentials = [
        Credential::ApiKey(key.id.clone()),
        Credential::Session(app.sessions.open_session(session.expose())),
    ];
    for (number, credential) in credentials.into_iter().enumerate() {
        let user = admin.clone();
        let standing = Some(Standing { user, allows: |_| true, credential: credential.clone() });
        let theirs = Origin { standing, ..origin.clone() };
        let made = |name: String| create_user(app, &theirs, new(&name));
        made(format!("before-{number}")).await.expect("it is good");
        match credential {
            Credential::ApiKey(id) => {
                let another = create_key(app, &origin, &admin, "d", None).await.expect("made");
                let ids = [id, another.record.id.clone()];
                let keys = ids.map(|id| KeyOf { user: "admin".into(), id });
                delete_keys(app, &theirs, &keys).await.expect("it may delete itself and others");
                assert!(keys_of(app, "admin").is_empty());
            }
            _ => app.sessions.close(session.expose()),
        }
        let late = made(format!("late-{number}")).await;
        assert!(matches!(late, Err(UserError::Unfinished(Unfinished::Withdrawn))), "{number}");
    }
}

#[tokio::test]
async fn a_key_that_expires_while_a_request_is_under_way_changes_nothing() {
    const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let user = app.registry.view().user("admin").expect("a user");
    let expires_at = Some(app.clock.now().plus(HOUR));
    let key = create_key(app, &origin, &user, "a key", expires_at).await.expect("made").record;
    let credential = Credential::ApiKey(key.id.clone());
    let standing = Some(Standing { user, allows: |_| true, credential });
    let theirs = Origin { standing, ..origin };
    create_user(app, &theirs, new("before")).await.expect("it is good");
    cluster.advance(HOUR);
    let late = create_user(app, &theirs, new("late")).await;
    assert!(matches!(late, Err(UserError::Unfinished(Unfinished::Withdrawn))));
}

#[tokio::test]
async fn a_key_makes_none_that_outlives_it() {
    const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let user = app.registry.view().user("admin").expect("a user");
    let until = app.clock.now().plus(HOUR);
    let with_key = |id: String| {
        let credential = Credential::ApiKey(id);
        let standing = Some(Standing { user: user.clone(), allows: |_| true, credential });
        Origin { standing, ..origin.clone() }
    };
    let expiring = create_key(app, &origin, &user, "it expires", Some(until)).await.expect("made");
    let with_expiring = with_key(expiring.record.id);
    let made = |until| create_key(app, &with_expiring, &user, "by a key", until);
    let (sooner, later) = (app.clock.now().plus(HOUR / 2), until.plus(HOUR / 3600));
    for (asked, expires_at) in [(None, until), (Some(sooner), sooner), (Some(until), until)] {
        assert_eq!(made(asked).await.expect("made").record.expires_at, Some(expires_at));
    }
    assert!(matches!(made(Some(later)).await, Err(ApiKeyError::Invalid(_))));
    let lasting = create_key(app, &origin, &user, "it lasts", None).await.expect("made");
    let with_lasting = with_key(lasting.record.id);
    for asked in [None, Some(later)] {
        let made = create_key(app, &with_lasting, &user, "by a key", asked).await.expect("made");
        assert_eq!(made.record.expires_at, asked);
    }
}

#[tokio::test]
async fn who_was_disabled_has_no_session_when_they_are_enabled_again() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let bob = create_user(app, &origin, new("bob")).await.expect("made");
    let session = app.sessions.open(&bob);
    for enabled in [false, true] {
        let edit = UserEdit { enabled: Some(enabled), ..Default::default() };
        update_user(app, &origin, "bob", &edit).await.expect("changed");
    }
    assert!(app.sessions.user(session.expose()).is_none());
}
