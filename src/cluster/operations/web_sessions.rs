//! Signing in to the pages, and out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{Attempt, Unfinished, carry_out, forget, only_addition, stops_at_the_store};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        permissions::{ChangeHosts, ManageTokens, Permission},
        records::{UserRecord, WebSessionRecord, create, put, readable},
    },
    model::Secret,
    rt::Timestamp,
    store::{Op, Record, Room, SharedStore, StoreError},
};

/// Sessions of one user. Of too many the oldest ends.
const MOST_PER_USER: usize = 50;

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// This user may change their account again after so long.
    #[error("too many changes")]
    TooManyChanges(Duration),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(SignInError);

/// Those who are signed in as somebody.
pub struct WebSession {
    pub user: Arc<UserRecord>,
    /// Of the secret that the browser keeps.
    pub digest: String,
    pub record: Arc<WebSessionRecord>,
}

/// Signs a user in, whose password was found right; the secret is nowhere else.
pub async fn sign_in(app: &App, origin: &Origin, user: &UserRecord) -> Result<Secret, SignInError> {
    app.own_changes.take(&user.name).map_err(SignInError::TooManyChanges)?;
    let _in_turn = app.queues.web_sessions.lock().await;
    let secret = generate();
    let digest = &WebSessionRecord::digest(&secret);
    carry_out::<_, SignInError>(app, origin, |now| {
        Box::pin(async move {
            let mut ops = vec![only_addition(app, ADDITIONS).await?];
            let mut theirs = stored_of(&app.store, &user.name).await?;
            theirs.sort_by_key(|(session, _)| session.signed_in_at);
            let too_many = (theirs.len() + 1).saturating_sub(MOST_PER_USER);
            ops.extend(theirs.drain(..too_many).map(|(_, record)| deletion(record)));
            ops.push(create(WebSessionRecord::path(digest), &WebSessionRecord::new(user, now)));
            let change = Change {
                ops,
                action: "session.sign_in",
                room: room_of(user),
                subject: user.name.clone(),
                before: json!(null),
                after: json!(null),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await?;
    Ok(secret)
}

/// Whoever can take access away may sign in for it on a full disk, as often as they may change their
/// account.
fn room_of(user: &UserRecord) -> Room {
    match ManageTokens::allows(user) || ChangeHosts::allows(user) {
        true => Room::Reserve,
        false => Room::Ordinary,
    }
}

/// Ends a session.
pub async fn sign_out(app: &App, origin: &Origin, session: &WebSession) -> Result<(), Unfinished> {
    let path = &WebSessionRecord::path(&session.digest);
    carry_out::<_, Unfinished>(app, origin, |_| {
        Box::pin(async move {
            let Some(record) = app.store.get(path).await? else { return Ok(Attempt::Settled(())) };
            let change = Change {
                ops: vec![deletion(record)],
                action: "session.sign_out",
                room: Room::Reserve,
                subject: session.user.name.clone(),
                before: json!(null),
                after: json!(null),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}

/// Who is signed in with this secret, as they are now.
pub fn signed_in(app: &App, secret: &Secret) -> Option<WebSession> {
    let digest = WebSessionRecord::digest(secret);
    let view = app.registry.view();
    let record = view.web_session(&digest)?;
    let user = view.enabled_user(&record.user)?;
    record.is_good(&user, app.clock.now()).then_some(WebSession { user, digest, record })
}

/// Notes that somebody is there, now and then. What cannot be noted is for the next time.
pub async fn note_seen(app: &App, session: &WebSession) {
    let now = app.clock.now();
    if !session.record.is_to_be_noted(now) {
        return;
    }
    let path = WebSessionRecord::path(&session.digest);
    let Ok(Some(record)) = app.store.get(&path).await else { return };
    let seen = WebSessionRecord { seen_at: now, ..(*session.record).clone() };
    let noted = app.store.commit(vec![put(path, &seen, record.version)]).await;
    if let Err(error) = noted {
        tracing::debug!(%error, "a session was not noted: {error}");
    }
}

/// What ends all sessions of a user, and fails if there is another one meanwhile.
pub(super) async fn ends_of(app: &App, user: &str) -> Result<Vec<Op>, StoreError> {
    let mut ops = vec![only_addition(app, ADDITIONS).await?];
    let theirs = stored_of(&app.store, user).await?;
    ops.extend(theirs.into_iter().map(|(_, record)| deletion(record)));
    Ok(ops)
}

/// Deletes the sessions that are over.
pub async fn forget_sessions_that_are_over(
    store: &SharedStore,
    now: Timestamp,
) -> Result<(), StoreError> {
    // The users after the sessions: no session can be held against a password older than itself.
    let sessions = store.list(&WebSessionRecord::root()).await?;
    let mut users = HashMap::new();
    for record in store.list(&UserRecord::root()).await? {
        let user = readable::<UserRecord>(&record)?;
        users.insert(record.path, user);
    }
    let mut ops = Vec::new();
    for record in sessions {
        let Some(session) = readable::<WebSessionRecord>(&record)? else { continue };
        let is_over = match users.get(&UserRecord::path(&session.user)) {
            Some(Some(user)) => !session.is_good(user, now),
            Some(None) => false,
            None => true,
        };
        if is_over {
            ops.push(deletion(record));
        }
    }
    forget(store, &ops).await?;
    Ok(())
}

const ADDITIONS: (&str, &str) = ("web-sessions", "");

fn generate() -> Secret {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut()).expect("the system's random numbers");
    Secret::new(URL_SAFE_NO_PAD.encode(*bytes))
}

fn deletion(record: Record) -> Op {
    Op::Delete { path: record.path, version: record.version }
}

async fn stored_of(
    store: &SharedStore,
    user: &str,
) -> Result<Vec<(WebSessionRecord, Record)>, StoreError> {
    let mut theirs = Vec::new();
    for record in store.list(&WebSessionRecord::root()).await? {
        if let Some(session) = readable::<WebSessionRecord>(&record)?
            && session.user == user
        {
            theirs.push((session, record));
        }
    }
    Ok(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        operations::{
            tokens::revoke_token,
            users::{NewUser, UserEdit, create_user, delete_user, set_password, update_user},
        },
        records::{LONGEST_IDLE, LONGEST_SESSION},
        testing::{Interleaved, TestCluster},
    };

    async fn user(cluster: &TestCluster, name: &str) -> UserRecord {
        let new = NewUser {
            name: name.into(),
            full_name: String::new(),
            email: String::new(),
            roles: Default::default(),
            enabled: true,
            password: Secret::new("one-password"),
        };
        create_user(&cluster.app, &cluster.origin(), new).await.expect("made")
    }

    async fn open(cluster: &TestCluster, user: &UserRecord) -> Secret {
        sign_in(&cluster.app, &cluster.origin(), user).await.expect("signed in")
    }

    #[tokio::test]
    async fn a_session_ends_by_signing_out_and_with_the_password_and_with_its_user() {
        let cluster = TestCluster::start().await;
        let (app, origin) = (&cluster.app, cluster.origin());
        let bob = user(&cluster, "bob").await;
        let (one, other) = (open(&cluster, &bob).await, open(&cluster, &bob).await);
        let session = signed_in(app, &one).expect("signed in");
        sign_out(app, &origin, &session).await.expect("signed out");
        assert!(signed_in(app, &one).is_none());
        assert!(signed_in(app, &other).is_some(), "another browser");
        let password = Secret::new("another-password");
        set_password(app, &origin, "bob", &password).await.expect("set");
        assert!(signed_in(app, &other).is_none());
        let bob = app.registry.view().user("bob").expect("a user");
        let last = open(&cluster, &bob).await;
        delete_user(app, &origin, "bob").await.expect("deleted");
        user(&cluster, "bob").await;
        assert!(signed_in(app, &last).is_none());
    }

    #[tokio::test]
    async fn whoever_was_disabled_is_not_signed_in_when_they_are_back() {
        let cluster = TestCluster::start().await;
        let (app, origin) = (&cluster.app, cluster.origin());
        let (bob, eve) = (user(&cluster, "bob").await, user(&cluster, "eve").await);
        let (bobs, eves) = (open(&cluster, &bob).await, open(&cluster, &eve).await);
        for enabled in [false, true] {
            let edit = UserEdit { enabled: Some(enabled), ..Default::default() };
            update_user(app, &origin, "bob", &edit).await.expect("changed");
            assert!(signed_in(app, &bobs).is_none());
        }
        assert!(signed_in(app, &eves).is_some());
    }

    #[tokio::test]
    async fn a_session_ends_when_nobody_is_there_and_after_its_time() {
        let cluster = TestCluster::start().await;
        let (app, bob) = (&cluster.app, user(&cluster, "bob").await);
        let secret = open(&cluster, &bob).await;
        let mut passed = Duration::ZERO;
        while passed + LONGEST_IDLE < LONGEST_SESSION {
            cluster.advance(LONGEST_IDLE);
            passed += LONGEST_IDLE;
            let session = signed_in(app, &secret).expect("somebody was there");
            note_seen(app, &session).await;
            let noted = app.store.list(&WebSessionRecord::root()).await.expect("listed");
            app.registry.caught_up(noted[0].revision).await;
        }
        cluster.advance(LONGEST_IDLE);
        assert!(signed_in(app, &secret).is_none(), "its time is over");
        let idle = open(&cluster, &bob).await;
        cluster.advance(2 * LONGEST_IDLE);
        assert!(signed_in(app, &idle).is_none(), "nobody was there");
        let now = app.clock.now();
        forget_sessions_that_are_over(&app.store, now).await.expect("forgotten");
        assert!(app.store.list(&WebSessionRecord::root()).await.expect("listed").is_empty());
    }

    #[tokio::test]
    async fn on_a_full_disk_only_who_may_revoke_can_sign_in_and_does_it() {
        let store = Arc::new(Interleaved::default());
        let cluster = TestCluster::start_on(store.clone()).await;
        let (app, origin) = (&cluster.app, cluster.origin());
        let token = cluster.token("", None, None).await;
        let bob = user(&cluster, "bob").await;
        let admin = app.registry.view().user("admin").expect("a user");
        store.is_full_from_now_on();
        let full = sign_in(app, &origin, &bob).await.expect_err("there is no room");
        assert!(full.to_string().contains("full"), "{full}");
        let secret = open(&cluster, &admin).await;
        revoke_token(app, &origin, &token.record.id.to_string()).await.expect("revoked");
        let session = signed_in(app, &secret).expect("signed in");
        sign_out(app, &origin, &session).await.expect("signed out");
    }

    #[tokio::test]
    async fn of_too_many_sessions_the_users_oldest_ends_and_nobody_elses() {
        let cluster = TestCluster::start().await;
        let (app, bob) = (&cluster.app, user(&cluster, "bob").await);
        let eve = user(&cluster, "eve").await;
        let eves = open(&cluster, &eve).await;
        let first = open(&cluster, &bob).await;
        cluster.advance(Duration::from_secs(1));
        let second = open(&cluster, &bob).await;
        for _ in 1..MOST_PER_USER {
            cluster.advance(Duration::from_secs(1));
            open(&cluster, &bob).await;
        }
        assert!(signed_in(app, &first).is_none());
        assert!(signed_in(app, &second).is_some());
        assert!(signed_in(app, &eves).is_some());
    }
}
