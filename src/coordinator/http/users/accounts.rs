use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    coordinator::{
        app::App,
        http::{
            auth::{ManageUsers, OwnAccount, Permission, Permit},
            error::ApiError,
            extract::{Body, Path},
        },
        records::{UserRecord, UserRole},
        services::users::{SetPasswordError, set_password},
    },
    wire::{
        FailedReply,
        users::{User, UserChange, UserList, UserSecurity, UserSecurityRealm},
    },
};

fn shown(user: &UserRecord) -> User {
    let (role, full_name) = match user.role {
        UserRole::Admin => ("ece_platform_admin", "Administrator"),
        UserRole::Readonly => ("ece_platform_viewer", "Viewer"),
    };
    User {
        user_name: user.name.clone(),
        full_name: full_name.into(),
        email: String::new(),
        builtin: true,
        security: UserSecurity {
            enabled: true,
            roles: vec![role.into()],
            permissions: Vec::new(),
            security_realm: UserSecurityRealm { id: "native".into(), kind: "native".into() },
        },
    }
}

/// Show who asks
#[utoipa::path(
    get,
    path = "/user",
    operation_id = "get-current-user",
    responses((status = 200, description = "The user", body = User))
)]
pub async fn current(permit: Permit<OwnAccount>) -> Json<User> {
    Json(shown(&permit.user))
}

/// Change one's own password
#[utoipa::path(
    patch,
    path = "/user",
    operation_id = "update-current-user",
    request_body = UserChange,
    responses(
        (status = 200, description = "The user", body = User),
        (status = 400, description = "user.cannot_modify, user.restricted_field", body = FailedReply),
    )
)]
pub async fn change_current(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Body(change): Body<UserChange>,
) -> Result<Json<User>, ApiError> {
    change_own(&app, permit, change).await
}

async fn change_own<P: Permission>(
    app: &App,
    permit: Permit<P>,
    change: UserChange,
) -> Result<Json<User>, ApiError> {
    let own = shown(&permit.user);
    let other = |given: Option<String>, is: &str| given.is_some_and(|given| given != is);
    let security = change.security.unwrap_or_default();
    if other(change.user_name, &own.user_name)
        || other(change.full_name, &own.full_name)
        || other(change.email, &own.email)
    {
        let message = "these users come with the cluster: only their passwords can be changed";
        return Err(ApiError::UserNotChanged {
            code: "user.cannot_modify",
            message: message.into(),
        });
    }
    if security.roles.is_some_and(|roles| roles != own.security.roles)
        || security.enabled == Some(false)
    {
        let message = "roles and state of these users cannot be changed";
        return Err(ApiError::UserNotChanged {
            code: "user.restricted_field",
            message: message.into(),
        });
    }
    if let Some(password) = security.password {
        app.own_changes.take(&permit.user.name).map_err(ApiError::TooManyChanges)?;
        set_password(app, &permit.origin, &permit.user.name, &password.0).await.map_err(
            |error| match error {
                SetPasswordError::Store(error) => error.into(),
                SetPasswordError::NoSuchUser(name) => ApiError::NoSuchUser(name),
                SetPasswordError::Busy => ApiError::Busy,
                SetPasswordError::Length => ApiError::UserNotChanged {
                    code: "user.restricted_field",
                    message: error.to_string(),
                },
            },
        )?;
    }
    Ok(Json(own))
}

/// List the users
#[utoipa::path(
    get,
    path = "/users",
    operation_id = "get-users",
    responses((status = 200, description = "All users", body = UserList))
)]
pub async fn list(_permit: Permit<OwnAccount>, State(app): State<Arc<App>>) -> Json<UserList> {
    Json(UserList { users: app.registry.users().iter().map(|user| shown(user)).collect() })
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
    _permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<User>, ApiError> {
    let user = app.registry.view().user(&name).ok_or(ApiError::NoSuchUser(name))?;
    Ok(Json(shown(&user)))
}

/// Change one's own password
#[utoipa::path(
    patch,
    path = "/users/{user_name}",
    operation_id = "update-user",
    params(("user_name" = String, Path, description = "One's own name")),
    request_body = UserChange,
    responses(
        (status = 200, description = "The user", body = User),
        (status = 400, description = "user.cannot_modify, user.restricted_field", body = FailedReply),
        (status = 404, description = "user.not_found", body = FailedReply),
    )
)]
pub async fn change(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<Json<User>, ApiError> {
    if permit.user.name == name {
        return change_own(&app, permit, change).await;
    }
    if !ManageUsers::allows(permit.user.role) {
        return Err(ApiError::Forbidden);
    }
    app.registry.view().user(&name).ok_or(ApiError::NoSuchUser(name))?;
    let message = "a user's password is changed by the user, or with 'ece-agent reset-password'";
    Err(ApiError::UserNotChanged { code: "user.cannot_modify", message: message.into() })
}

/// Make a user: not served
#[utoipa::path(
    post,
    path = "/users",
    operation_id = "create-user",
    responses((status = 501, description = "root.not_implemented", body = FailedReply))
)]
pub async fn create(_permit: Permit<ManageUsers>) -> ApiError {
    ApiError::NotServed("users besides those that come with the cluster")
}

/// Delete a user: not served
#[utoipa::path(
    delete,
    path = "/users/{user_name}",
    operation_id = "delete-user",
    params(("user_name" = String, Path, description = "The user's name")),
    responses((status = 501, description = "root.not_implemented", body = FailedReply))
)]
pub async fn delete(_permit: Permit<ManageUsers>) -> ApiError {
    ApiError::NotServed("users besides those that come with the cluster")
}

/// Give a user roles: not served
#[utoipa::path(
    post,
    path = "/users/{user_id}/role_assignments",
    operation_id = "add-role-assignments",
    params(("user_id" = String, Path, description = "The user's name")),
    responses((status = 501, description = "root.not_implemented", body = FailedReply))
)]
pub async fn assign_roles(_permit: Permit<ManageUsers>) -> ApiError {
    ApiError::NotServed("other roles for the users that come with the cluster")
}

/// Take roles from a user: not served
#[utoipa::path(
    delete,
    path = "/users/{user_id}/role_assignments",
    operation_id = "remove-role-assignments",
    params(("user_id" = String, Path, description = "The user's name")),
    responses((status = 501, description = "root.not_implemented", body = FailedReply))
)]
pub async fn unassign_roles(_permit: Permit<ManageUsers>) -> ApiError {
    ApiError::NotServed("other roles for the users that come with the cluster")
}
