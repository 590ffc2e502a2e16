use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Attempt, Unfinished, carry_out, forget, only_addition, stops_at_the_store};
use crate::{
    cluster::{
        app::App,
        change::{Change, Credential, Origin},
        passwords,
        records::{ApiKeyRecord, UserRecord, create, decode, readable},
    },
    model::{Secret, printable::is_plain_text},
    rt::Timestamp,
    store::{Op, Room, SharedStore, StoreError},
};

/// Keys that one commit deletes.
const MOST_AT_ONCE: usize = 400;

const MAX_DESCRIPTION: usize = 1024;

/// Keys of one user that are good.
const MOST_PER_USER: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    #[error("{0}")]
    Invalid(&'static str),
    #[error("there is no such key")]
    NotFound,
    /// This user may change their account again after so long.
    #[error("too many changes")]
    TooManyChanges(Duration),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(ApiKeyError);

/// A key just made. Its text is nowhere else.
pub struct NewApiKey {
    pub text: Secret,
    pub record: ApiKeyRecord,
}

/// Makes a key that is good until then, or as long as the key is that it is asked for with.
pub async fn create_key(
    app: &App,
    origin: &Origin,
    user: &UserRecord,
    description: &str,
    until: Option<Timestamp>,
) -> Result<NewApiKey, ApiKeyError> {
    let expires_at = within_own_life(app, origin, until)?;
    if !(1..=MAX_DESCRIPTION).contains(&description.len()) || !is_plain_text(description) {
        return Err(ApiKeyError::Invalid("a description has 1 to 1024 bytes of plain text"));
    }
    if expires_at.is_some_and(|at| at <= app.clock.now()) {
        return Err(ApiKeyError::Invalid("the expiration is in the past"));
    }
    app.own_changes.take(&user.name).map_err(ApiKeyError::TooManyChanges)?;
    let _in_turn = app.queues.api_keys.lock().await;
    let secret = &passwords::generate();
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let addition = only_addition(app, ("api-keys", "")).await?;
            make_room(app, user, now).await?;
            let id = uuid::Uuid::new_v4().simple().to_string();
            let text = Secret::new(STANDARD.encode(format!("{id}:{}", secret.expose())));
            let record = ApiKeyRecord {
                id: id.clone(),
                user: user.name.clone(),
                description: description.to_owned(),
                secret_digest: ApiKeyRecord::digest(secret.expose()),
                password_digest: ApiKeyRecord::digest(&user.password_hash),
                created_at: now,
                expires_at,
            };
            let change = Change {
                ops: vec![addition, create(ApiKeyRecord::path(&id), &record)],
                action: "api_key.create",
                room: Room::Ordinary,
                subject: id,
                before: json!(null),
                after: json!({ "user": user.name, "description": description }),
            };
            Ok(Attempt::Commit(change, NewApiKey { text, record }))
        })
    })
    .await
}

/// No key makes one that outlives it: what was to end then would go on under another name.
fn within_own_life(
    app: &App,
    origin: &Origin,
    until: Option<Timestamp>,
) -> Result<Option<Timestamp>, ApiKeyError> {
    let Some(Credential::ApiKey(id)) = origin.standing.as_ref().map(|it| &it.credential) else {
        return Ok(until);
    };
    let own = app.registry.view().api_key(id).ok_or(Unfinished::Withdrawn)?.expires_at;
    match (own, until) {
        (Some(own), Some(until)) if until > own => Err(ApiKeyError::Invalid(
            "a key is made with a key that expires before it; ask for less, or with the password",
        )),
        (own, until) => Ok(until.or(own)),
    }
}

/// Whether the user may have one more key; those that are over do not count.
async fn make_room(app: &App, user: &UserRecord, now: Timestamp) -> Result<(), ApiKeyError> {
    let (good, over): (Vec<_>, Vec<_>) =
        keys_of(app, &user.name).into_iter().partition(|key| key.is_good(user, now));
    if good.len() >= MOST_PER_USER {
        return Err(ApiKeyError::Invalid("a user has at most 100 keys"));
    }
    if !over.is_empty() {
        forget_keys_that_are_over(&app.store, now).await?;
    }
    Ok(())
}

/// A key, by whose it is.
#[derive(Debug, Clone)]
pub struct KeyOf {
    pub user: String,
    pub id: String,
}

/// Deletes these keys, or none of them: also the one that the request came with may be among them.
/// From the reply on they let nobody in.
pub async fn delete_keys(app: &App, origin: &Origin, keys: &[KeyOf]) -> Result<(), ApiKeyError> {
    let ids: BTreeSet<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    if ids.len() > MOST_AT_ONCE {
        return Err(ApiKeyError::Invalid("at most 400 keys are deleted at once"));
    }
    for key in keys {
        // What is not known may not even be a name for a record.
        let known = app.registry.view().api_key(&key.id).filter(|known| known.user == key.user);
        known.ok_or(ApiKeyError::NotFound)?;
    }
    let ids = &ids;
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let (mut ops, mut told) = (Vec::new(), serde_json::Map::new());
            for id in ids {
                let path = ApiKeyRecord::path(id);
                let record = app.store.get(&path).await?.ok_or(ApiKeyError::NotFound)?;
                let key: ApiKeyRecord = decode(&record)?;
                ops.push(Op::Delete { path, version: record.version });
                let key = json!({ "user": key.user, "description": key.description });
                told.insert((*id).to_owned(), key);
            }
            if ids.is_empty() {
                return Ok(Attempt::Settled(()));
            }
            let change = Change {
                ops,
                action: "api_key.delete",
                room: Room::Reserve,
                subject: match told.len() {
                    1 => told.keys().next().cloned().unwrap_or_default(),
                    many => format!("{many} keys"),
                },
                before: match told.len() {
                    1 => told.values_mut().next().map(Value::take).unwrap_or_default(),
                    _ => Value::Object(told),
                },
                after: json!(null),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}

pub fn keys_of(app: &App, user: &str) -> Vec<Arc<ApiKeyRecord>> {
    app.registry.api_keys().into_iter().filter(|key| key.user == user).collect()
}

/// The user who has this key, if it is still good, and its id.
pub fn user_of_key(app: &App, text: &str) -> Option<(Arc<UserRecord>, String)> {
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let view = app.registry.view();
    let key = view.api_key(id)?;
    let user = view.enabled_user(&key.user)?;
    let good =
        key.secret_digest == ApiKeyRecord::digest(secret) && key.is_good(&user, app.clock.now());
    good.then(|| (user, key.id.clone()))
}

/// Deletes the keys that let nobody in any more, and never will.
pub async fn forget_keys_that_are_over(
    store: &SharedStore,
    now: Timestamp,
) -> Result<(), StoreError> {
    // The users after the keys: no key can be held against a password older than itself.
    let keys = store.list(&ApiKeyRecord::root()).await?;
    let mut users = HashMap::new();
    for record in store.list(&UserRecord::root()).await? {
        let user = readable::<UserRecord>(&record)?;
        users.insert(record.path, user);
    }
    let mut ops = Vec::new();
    for record in keys {
        let Some(key) = readable::<ApiKeyRecord>(&record)? else { continue };
        let over = match users.get(&UserRecord::path(&key.user)) {
            Some(Some(user)) => !key.is_good(user, now),
            // Of a user who cannot be read nothing is known.
            Some(None) => false,
            None => true,
        };
        if over {
            ops.push(Op::Delete { path: record.path, version: record.version });
        }
    }
    forget(store, &ops).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        operations::users::set_password,
        testing::{TestCluster, given_up_after},
    };

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_description_is_plain_text() {
        let cluster = TestCluster::start().await;
        let user = cluster.app.registry.view().user("admin").expect("a user");
        for odd in ["", "\u{1}", "a\nb", "\u{202e}"] {
            let made = create_key(&cluster.app, &cluster.origin(), &user, odd, None).await;
            assert!(matches!(made, Err(ApiKeyError::Invalid(_))), "{odd:?}");
        }
    }

    async fn delete_one(cluster: &TestCluster, user: &str, id: &str) -> Result<(), ApiKeyError> {
        let key = KeyOf { user: user.into(), id: id.into() };
        delete_keys(&cluster.app, &cluster.origin(), &[key]).await
    }

    async fn make(
        cluster: &TestCluster,
        user: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<NewApiKey, ApiKeyError> {
        let user = cluster.app.registry.view().user(user).expect("a user");
        create_key(&cluster.app, &cluster.origin(), &user, "d", expires_at).await
    }

    fn held_back<T>(made: &Result<T, ApiKeyError>) -> bool {
        matches!(made, Err(ApiKeyError::TooManyChanges(_)))
    }

    async fn stored(cluster: &TestCluster) -> usize {
        cluster.app.store.list(&ApiKeyRecord::root()).await.expect("listed").len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_who_makes_and_deletes_keys_all_the_time_is_held_back_and_can_still_delete() {
        let cluster = TestCluster::start().await;
        let (mut made, mut asked) = (Vec::new(), 0);
        let refused = loop {
            asked += 1;
            assert!(asked < 1000, "nothing holds it back");
            match make(&cluster, "readonly", None).await {
                Ok(key) => made.push(key),
                Err(error) => break error,
            }
            if made.len() > 50 {
                let key = made.remove(0);
                delete_one(&cluster, "readonly", &key.record.id).await.expect("deleted");
            }
        };
        let ApiKeyError::TooManyChanges(wait) = refused else { panic!("{refused}") };
        assert!(make(&cluster, "admin", None).await.is_ok(), "somebody else");
        for key in &made {
            delete_one(&cluster, "readonly", &key.record.id).await.expect("deleted");
        }
        assert!(held_back(&make(&cluster, "readonly", None).await));
        tokio::time::advance(wait).await;
        assert!(make(&cluster, "readonly", None).await.is_ok());
        assert!(held_back(&make(&cluster, "readonly", None).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_has_at_most_100_good_keys_however_many_are_asked_for_at_once() {
        let cluster = TestCluster::start().await;
        for _ in 0..MOST_PER_USER - 5 {
            make(&cluster, "readonly", None).await.expect("made");
        }
        tokio::time::advance(HOUR).await;
        let mut asked = tokio::task::JoinSet::new();
        let user = cluster.app.registry.view().user("readonly").expect("a user");
        for _ in 0..20 {
            let (app, origin, user) = (cluster.app.clone(), cluster.origin(), user.clone());
            asked.spawn(
                async move { create_key(&app, &origin, &user, "d", None).await.map(|_| ()) },
            );
        }
        let made = asked.join_all().await;
        assert_eq!(made.iter().filter(|it| it.is_ok()).count(), 5);
        assert!(made.iter().all(|it| matches!(it, Ok(()) | Err(ApiKeyError::Invalid(_)))));
        assert_eq!(stored(&cluster).await, MOST_PER_USER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_has_at_most_100_good_keys_whenever_whoever_asked_goes_away() {
        let cluster = TestCluster::start().await;
        for _ in 0..MOST_PER_USER - 1 {
            make(&cluster, "readonly", None).await.expect("made");
        }
        tokio::time::advance(HOUR).await;
        for patience in 0..25 {
            if let Some(made) = given_up_after(patience, make(&cluster, "readonly", None)).await {
                assert!(made.is_ok());
            }
            let _ = make(&cluster, "readonly", None).await;
            assert_eq!(stored(&cluster).await, MOST_PER_USER, "gone after {patience}");
            let one = keys_of(&cluster.app, "readonly").swap_remove(0);
            delete_one(&cluster, "readonly", &one.id).await.expect("deleted");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_are_over_do_not_count_and_are_forgotten() {
        let cluster = TestCluster::start().await;
        let soon = cluster.app.clock.now().plus(HOUR);
        for _ in 0..10 {
            make(&cluster, "readonly", Some(soon)).await.expect("made");
        }
        let kept = make(&cluster, "readonly", None).await.expect("made");
        cluster.advance(HOUR);
        make(&cluster, "readonly", None).await.expect("made");
        assert_eq!(stored(&cluster).await, 2);
        make(&cluster, "admin", None).await.expect("made");
        let password = Secret::new("another-password");
        set_password(&cluster.app, &cluster.origin(), "admin", &password).await.expect("set");
        let now = cluster.app.clock.now();
        forget_keys_that_are_over(&cluster.app.store, now).await.expect("forgotten");
        assert_eq!(stored(&cluster).await, 2, "the admin's key went with the password");
        assert!(user_of_key(&cluster.app, kept.text.expose()).is_some());
    }
}
