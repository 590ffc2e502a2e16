use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    api::{
        auth::{ManageUsers, OwnAccount, Permission, Permit},
        listed::{Listed, listed},
    },
    cluster::{
        app::App,
        operations::api_keys::{ApiKeyError, KeyOf, create_key, delete_keys, keys_of},
        records::ApiKeyRecord,
    },
    http::{
        error::{Answer, ApiError, seconds},
        extract::{Body, Path},
    },
    rt::Timestamp,
    wire::{
        EmptyResponse, FailedReply,
        users::{
            ApiKeyResponse, ApiKeysResponse, CreateApiKeyRequest, DeleteApiKeysRequest,
            DeleteUsersApiKeysRequest,
        },
    },
};

impl From<ApiKeyError> for ApiError {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Invalid(message) => Answer::InvalidApiKey.saying(message),
            ApiKeyError::NotFound => Answer::NoSuchApiKey.into(),
            ApiKeyError::TooManyChanges(wait) => too_many_changes(wait),
            ApiKeyError::Unfinished(error) => error.into(),
        }
    }
}

/// One's own account has been changed too often.
pub(super) fn too_many_changes(wait: Duration) -> ApiError {
    let message =
        format!("this user has changed their account too often; try again in {} s", seconds(wait));
    Answer::TooOften.saying(message).after(wait)
}

fn api_key_response(record: &ApiKeyRecord) -> ApiKeyResponse {
    ApiKeyResponse {
        id: record.id.clone(),
        user_id: record.user.clone(),
        description: record.description.clone(),
        key: None,
        creation_date: record.created_at.rfc3339(),
        expiration_date: record.expires_at.map(Timestamp::rfc3339),
    }
}

async fn keys<P: Permission>(
    app: &App,
    permit: &Permit<P>,
    keys: Vec<Arc<ApiKeyRecord>>,
) -> Result<Listed, ApiError> {
    let count = keys.len();
    let make =
        move || ApiKeysResponse { keys: keys.iter().map(|key| api_key_response(key)).collect() };
    listed(app, permit, count, make).await
}

fn key(app: &App, user: &str, id: &str) -> Result<Json<ApiKeyResponse>, ApiError> {
    let key = app.registry.view().api_key(id).filter(|key| key.user == user);
    key.map(|key| Json(api_key_response(&key))).ok_or(Answer::NoSuchApiKey.into())
}

/// `30m`, `1d`…
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// List one's own API keys
#[utoipa::path(
    get,
    path = "/users/auth/keys",
    operation_id = "get-api-keys",
    responses((status = 200, description = "Without the keys' texts", body = ApiKeysResponse))
)]
pub async fn list(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    keys(&app, &permit, keys_of(&app, &permit.user.name)).await
}

/// Make an API key
#[utoipa::path(
    post,
    path = "/users/auth/keys",
    operation_id = "create-api-key",
    request_body = CreateApiKeyRequest,
    responses(
        (status = 201, description = "The key; its text is not shown again. One that is made with a key does not outlive it", body = ApiKeyResponse),
        (status = 400, description = "api_keys.invalid_input", body = FailedReply),
    )
)]
pub async fn create(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    body: Result<Body<CreateApiKeyRequest>, ApiError>,
) -> Result<(StatusCode, Json<ApiKeyResponse>), ApiError> {
    let Body(request) = body.map_err(|error| error.naming_body(Answer::InvalidApiKey))?;
    let expires_at = match request.expiration.as_deref() {
        None | Some("") => None,
        Some(text) => {
            let duration = duration(text).ok_or_else(|| {
                Answer::InvalidApiKey
                    .saying("an expiration is a number and one of ms, s, m, h and d")
            })?;
            Some(app.clock.now().plus(duration))
        }
    };
    let (user, description) = (&permit.user, request.description.trim());
    let made = create_key(&app, &permit.origin, user, description, expires_at).await?;
    let key = Some(made.text.expose().to_owned());
    Ok((StatusCode::CREATED, Json(ApiKeyResponse { key, ..api_key_response(&made.record) })))
}

/// Delete some of one's own API keys
#[utoipa::path(
    delete,
    path = "/users/auth/keys",
    operation_id = "delete-api-keys",
    request_body = DeleteApiKeysRequest,
    responses(
        (status = 200, description = "They are good no more", body = EmptyResponse),
        (status = 400, description = "api_keys.invalid_input, root.invalid_body", body = FailedReply),
        (status = 404, description = "api_keys.key_not_found", body = FailedReply),
    )
)]
pub async fn delete_some(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Body(request): Body<DeleteApiKeysRequest>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let key = |id: String| KeyOf { user: permit.user.name.clone(), id };
    let keys: Vec<KeyOf> = request.keys.into_iter().map(key).collect();
    delete_keys(&app, &permit.origin, &keys).await?;
    Ok(Json(EmptyResponse {}))
}

/// Show one of one's own API keys
#[utoipa::path(
    get,
    path = "/users/auth/keys/{api_key_id}",
    operation_id = "get-api-key",
    params(("api_key_id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, description = "Without the key's text", body = ApiKeyResponse),
        (status = 404, description = "api_keys.key_not_found", body = FailedReply),
    )
)]
pub async fn get(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ApiKeyResponse>, ApiError> {
    key(&app, &permit.user.name, &id)
}

/// Delete one of one's own API keys
#[utoipa::path(
    delete,
    path = "/users/auth/keys/{api_key_id}",
    operation_id = "delete-api-key",
    params(("api_key_id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, description = "It is good no more", body = EmptyResponse),
        (status = 404, description = "api_keys.key_not_found", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let key = KeyOf { user: permit.user.name.clone(), id };
    delete_keys(&app, &permit.origin, &[key]).await?;
    Ok(Json(EmptyResponse {}))
}

/// List the API keys of all users
#[utoipa::path(
    get,
    path = "/users/auth/keys/_all",
    operation_id = "get-users-api-keys",
    responses((status = 200, description = "Without the keys' texts", body = ApiKeysResponse))
)]
pub async fn list_all(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    keys(&app, &permit, app.registry.api_keys()).await
}

/// Delete API keys of any users
#[utoipa::path(
    delete,
    path = "/users/auth/keys/_all",
    operation_id = "delete-users-api-keys",
    request_body = DeleteUsersApiKeysRequest,
    responses(
        (status = 200, description = "They are good no more", body = EmptyResponse),
        (status = 400, description = "api_keys.invalid_input, root.invalid_body", body = FailedReply),
        (status = 404, description = "api_keys.key_not_found", body = FailedReply),
    )
)]
pub async fn delete_some_of_all(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Body(request): Body<DeleteUsersApiKeysRequest>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let keys = request.user_api_keys.into_iter();
    let keys: Vec<KeyOf> =
        keys.map(|key| KeyOf { user: key.user_id, id: key.api_key_id }).collect();
    delete_keys(&app, &permit.origin, &keys).await?;
    Ok(Json(EmptyResponse {}))
}

fn known(app: &App, user: &str) -> Result<(), ApiError> {
    let found = app.registry.view().user(user);
    let unknown = || Answer::NoSuchUserOfKeys.saying(format!("there is no user {user}"));
    found.map(|_| ()).ok_or_else(unknown)
}

/// List the API keys of a user
#[utoipa::path(
    get,
    path = "/users/{user_id}/auth/keys",
    operation_id = "get-user-api-keys",
    params(("user_id" = String, Path, description = "The user's name")),
    responses(
        (status = 200, description = "Without the keys' texts", body = ApiKeysResponse),
        (status = 404, description = "api_keys.user_not_found", body = FailedReply),
    )
)]
pub async fn list_of_user(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
) -> Result<Listed, ApiError> {
    known(&app, &user)?;
    keys(&app, &permit, keys_of(&app, &user)).await
}

/// Delete all API keys of a user
#[utoipa::path(
    delete,
    path = "/users/{user_id}/auth/keys",
    operation_id = "delete-user-api-keys",
    params(("user_id" = String, Path, description = "The user's name")),
    responses(
        (status = 200, description = "They are good no more", body = EmptyResponse),
        (status = 404, description = "api_keys.user_not_found", body = FailedReply),
    )
)]
pub async fn delete_of_user(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    known(&app, &user)?;
    let key = |key: &Arc<ApiKeyRecord>| KeyOf { user: key.user.clone(), id: key.id.clone() };
    let keys: Vec<KeyOf> = keys_of(&app, &user).iter().map(key).collect();
    delete_keys(&app, &permit.origin, &keys).await?;
    Ok(Json(EmptyResponse {}))
}

/// Show an API key of a user
#[utoipa::path(
    get,
    path = "/users/{user_id}/auth/keys/{api_key_id}",
    operation_id = "get-user-api-key",
    params(
        ("user_id" = String, Path, description = "The user's name"),
        ("api_key_id" = String, Path, description = "The key's id"),
    ),
    responses(
        (status = 200, description = "Without the key's text", body = ApiKeyResponse),
        (status = 404, description = "api_keys.key_not_found", body = FailedReply),
    )
)]
pub async fn get_of_user(
    _permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<ApiKeyResponse>, ApiError> {
    key(&app, &user, &id)
}

/// Delete an API key of a user
#[utoipa::path(
    delete,
    path = "/users/{user_id}/auth/keys/{api_key_id}",
    operation_id = "delete-user-api-key",
    params(
        ("user_id" = String, Path, description = "The user's name"),
        ("api_key_id" = String, Path, description = "The key's id"),
    ),
    responses(
        (status = 200, description = "It is good no more", body = EmptyResponse),
        (status = 404, description = "api_keys.key_not_found", body = FailedReply),
    )
)]
pub async fn delete_one_of_user(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<EmptyResponse>, ApiError> {
    delete_keys(&app, &permit.origin, &[KeyOf { user, id }]).await?;
    Ok(Json(EmptyResponse {}))
}
