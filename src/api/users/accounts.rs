use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{
        auth::{ManageUsers, OwnAccount, Permission, Permit, ReadUsers},
        listed::{Listed, listed},
    },
    cluster::{
        app::App,
        operations::users::{MOST_USERS, NewUser, UserError, create_user, delete_user},
        records::{ADMIN, Hand, UserRecord, UserRole},
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path, Query},
    },
    wire::{
        EmptyResponse, FailedReply,
        users::{User, UserChange, UserList, UserMetadata, UserSecurity, UserSecurityRealm},
    },
};

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        let message = error.to_string();
        match error {
            UserError::NotFound(name) => no_such_user(&name),
            UserError::Conflict(_) => Answer::UserExists.saying(message),
            UserError::Name => Answer::UserName.saying(message),
            UserError::TooMany => Answer::TooManyUsers.saying(message),
            UserError::PasswordLength | UserError::Text(_) => Answer::UserField.saying(message),
            UserError::Busy => Self::passwords_busy(),
            UserError::Unfinished(error) => error.into(),
        }
    }
}

pub(super) fn no_such_user(name: &str) -> ApiError {
    Answer::NoSuchUser.saying(format!("there is no user {name}"))
}

pub(super) fn user_response(user: &UserRecord) -> User {
    let full_name = match (user.is_built_in(), user.name.as_str()) {
        (true, ADMIN) => "Administrator",
        (true, _) => "Viewer",
        (false, _) => &user.full_name,
    };
    let hand = |hand: &Option<Hand>| match hand {
        Some(Hand { by, at }) => (Some(by.clone()), Some(at.rfc3339())),
        None => (None, None),
    };
    let ((created_by, created_at), (updated_by, updated_at)) =
        (hand(&user.made), hand(&user.changed));
    User {
        user_name: user.name.clone(),
        full_name: full_name.into(),
        email: user.email.clone(),
        builtin: user.is_built_in(),
        metadata: UserMetadata { created_by, created_at, updated_by, updated_at },
        security: UserSecurity {
            enabled: user.enabled,
            roles: user.roles.iter().map(|role| role.name().into()).collect(),
            permissions: Vec::new(),
            security_realm: UserSecurityRealm { id: "native".into(), kind: "native".into() },
        },
    }
}

/// Roles by their names.
pub(super) fn roles<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeSet<UserRole>, ApiError> {
    let parsed = names.into_iter().map(|name| name.parse());
    parsed.collect::<Result<_, _>>().map_err(|error: crate::cluster::records::UnknownUserRole| {
        Answer::UserRoles.saying(error.to_string())
    })
}

/// Show who asks
#[utoipa::path(
    get,
    path = "/user",
    operation_id = "get-current-user",
    responses((status = 200, description = "The user", body = User))
)]
pub async fn current(permit: Permit<OwnAccount>) -> Json<User> {
    Json(user_response(&permit.user))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Also those who are disabled.
    include_disabled: Option<bool>,
}

/// List the users
#[utoipa::path(
    get,
    path = "/users",
    operation_id = "get-users",
    params(ListParameters),
    responses((status = 200, description = "The users", body = UserList))
)]
pub async fn list(
    permit: Permit<ReadUsers>,
    State(app): State<Arc<App>>,
    Query(given): Query<ListParameters>,
) -> Result<Listed, ApiError> {
    let all = given.include_disabled == Some(true);
    let users = app.registry.users();
    let make = move || {
        let users = users.iter().filter(|user| all || user.enabled);
        UserList { users: users.map(|user| user_response(user)).collect() }
    };
    listed(&app, &permit, MOST_USERS, make).await
}

/// Show a user
#[utoipa::path(
    get,
    path = "/users/{user_name}",
    operation_id = "get-user",
    params(("user_name" = String, Path, description = "The user's name")),
    responses(
        (status = 200, description = "The user", body = User),
        (status = 404, description = "user.not_found", body = FailedReply),
    )
)]
pub async fn get(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<User>, ApiError> {
    if permit.user.name != name && !ReadUsers::allows(&permit.user) {
        return Err(Answer::Forbidden.into());
    }
    let user = app.registry.view().user(&name).ok_or_else(|| no_such_user(&name))?;
    Ok(Json(user_response(&user)))
}

/// Make a user
#[utoipa::path(
    post,
    path = "/users",
    operation_id = "create-user",
    request_body = UserChange,
    responses(
        (status = 200, description = "The user", body = User),
        (status = 400, description = "user.user_name.invalid, user.roles.invalid, user.restricted_field, user.too_many", body = FailedReply),
        (status = 409, description = "user.user_name.conflict", body = FailedReply),
    )
)]
pub async fn create(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Body(given): Body<UserChange>,
) -> Result<Json<User>, ApiError> {
    let security = given.security.unwrap_or_default();
    let password = security
        .password
        .ok_or_else(|| Answer::UserField.saying("a new user has a password (security.password)"))?;
    let new = NewUser {
        name: given.user_name.unwrap_or_default(),
        full_name: given.full_name.unwrap_or_default(),
        email: given.email.unwrap_or_default(),
        roles: roles(security.roles.iter().flatten())?,
        enabled: security.enabled.unwrap_or(true),
        password: password.0,
    };
    Ok(Json(user_response(&create_user(&app, &permit.origin, new).await?)))
}

/// Delete a user
#[utoipa::path(
    delete,
    path = "/users/{user_name}",
    operation_id = "delete-user",
    params(("user_name" = String, Path, description = "The user's name")),
    responses(
        (status = 200, description = "The user does not get in any more, with whatever they have", body = EmptyResponse),
        (status = 400, description = "user.cannot_modify, user.restricted_deletion", body = FailedReply),
        (status = 404, description = "user.not_found", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let user = app.registry.view().user(&name).ok_or_else(|| no_such_user(&name))?;
    if user.is_built_in() {
        let message = format!("the user {} came with the cluster and stays with it", user.name);
        return Err(Answer::UserFixed.saying(message));
    }
    if user.name == permit.user.name {
        return Err(Answer::UserDeletion.into());
    }
    delete_user(&app, &permit.origin, &user.name).await?;
    Ok(Json(EmptyResponse {}))
}
