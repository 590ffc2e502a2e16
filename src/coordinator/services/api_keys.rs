use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Attempt, carry_out};
use crate::{
    coordinator::{
        app::App,
        change::{Change, Origin},
        passwords,
        records::{ApiKeyRecord, UserRecord, create, decode},
    },
    model::Secret,
    rt::Timestamp,
    store::{Op, Room, StoreError},
};

const MAX_DESCRIPTION: usize = 1024;
const MOST_PER_USER: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    #[error("{0}")]
    Invalid(&'static str),
    #[error("there is no such key")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key just made. Its text is nowhere else.
pub struct NewApiKey {
    pub text: Secret,
    pub record: ApiKeyRecord,
}

pub async fn create_key(
    app: &App,
    origin: &Origin,
    user: &UserRecord,
    description: &str,
    expires_at: Option<Timestamp>,
) -> Result<NewApiKey, ApiKeyError> {
    if description.is_empty() || description.len() > MAX_DESCRIPTION {
        return Err(ApiKeyError::Invalid("a description has 1 to 1024 bytes"));
    }
    if expires_at.is_some_and(|at| at <= app.clock.now()) {
        return Err(ApiKeyError::Invalid("the expiration is in the past"));
    }
    if keys_of(app, &user.name).len() >= MOST_PER_USER {
        return Err(ApiKeyError::Invalid("a user has at most 1000 keys"));
    }
    let secret = &passwords::generate();
    carry_out(app, origin, |now| {
        Box::pin(async move {
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
                ops: vec![create(ApiKeyRecord::path(&id), &record)],
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

/// From the reply on the key lets nobody in.
pub async fn delete_key(
    app: &App,
    origin: &Origin,
    user: &str,
    id: &str,
) -> Result<(), ApiKeyError> {
    // What is not known may not even be a name for a record.
    app.registry.view().api_key(id).ok_or(ApiKeyError::NotFound)?;
    let path = &ApiKeyRecord::path(id);
    carry_out(app, origin, |_| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or(ApiKeyError::NotFound)?;
            let key: ApiKeyRecord = decode(&record)?;
            if key.user != user {
                return Err(ApiKeyError::NotFound);
            }
            let change = Change {
                ops: vec![Op::Delete { path: path.clone(), version: record.version }],
                action: "api_key.delete",
                room: Room::Reserve,
                subject: id.to_owned(),
                before: json!({ "user": key.user, "description": key.description }),
                after: json!(null),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}

pub fn keys_of(app: &App, user: &str) -> Vec<std::sync::Arc<ApiKeyRecord>> {
    app.registry.api_keys().into_iter().filter(|key| key.user == user).collect()
}

/// The user who has this key, if it is still good.
pub fn user_of_key(app: &App, text: &str) -> Option<std::sync::Arc<UserRecord>> {
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let view = app.registry.view();
    let key = view.api_key(id)?;
    let user = view.user(&key.user)?;
    let good = key.secret_digest == ApiKeyRecord::digest(secret)
        && key.password_digest == ApiKeyRecord::digest(&user.password_hash)
        && key.expires_at.is_none_or(|at| app.clock.now() < at);
    good.then_some(user)
}
