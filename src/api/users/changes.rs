//! What users may change of themselves, and admins of others.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    accounts::{no_such_user, roles, user_response},
    keys::too_many_changes,
};
use crate::{
    api::auth::{ManageUsers, OwnAccount, Permission, Permit},
    cluster::{
        app::App,
        operations::users::{RolesEdit, UserEdit, update_user},
        records::UserRecord,
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path},
    },
    wire::{
        FailedReply,
        users::{User, UserChange},
    },
};

/// Change one's own account
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
    let own = permit.user.clone();
    change_user(&app, &permit, &own, change).await
}

/// Change a user: of others, only admins may
#[utoipa::path(
    patch,
    path = "/users/{user_name}",
    operation_id = "update-user",
    params(("user_name" = String, Path, description = "The user's name")),
    request_body = UserChange,
    responses(
        (status = 200, description = "The user", body = User),
        (status = 400, description = "user.cannot_modify, user.restricted_field, user.roles.invalid", body = FailedReply),
        (status = 404, description = "user.not_found", body = FailedReply),
    )
)]
pub async fn change(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<Json<User>, ApiError> {
    if permit.user.name != name && !ManageUsers::allows(&permit.user) {
        return Err(Answer::Forbidden.into());
    }
    let user = app.registry.view().user(&name).ok_or_else(|| no_such_user(&name))?;
    change_user(&app, &permit, &user, change).await
}

async fn change_user(
    app: &Arc<App>,
    permit: &Permit<OwnAccount>,
    user: &UserRecord,
    change: UserChange,
) -> Result<Json<User>, ApiError> {
    let own = permit.user.name == user.name;
    if change.user_name.as_ref().is_some_and(|given| *given != user.name) {
        return Err(Answer::UserField.saying("a user keeps their name"));
    }
    let edit = edit(user, change)?;
    let asks = edit.of(user, None);
    if user.is_built_in() {
        check_built_in(user, &asks, own || edit.password.is_none())?;
    } else if own && (asks.roles != user.roles || asks.enabled != user.enabled) {
        let message = "nobody changes their own roles, or disables themselves";
        return Err(Answer::UserField.saying(message));
    }
    let changes = asks != *user || edit.password.is_some();
    if own && changes && permit.is_by_api_key() {
        let message = "an API key does not change its own user: ask with the password \
                       ('ece-agent' does with --password-file), or with a login's token";
        return Err(Answer::UserField.saying(message));
    }
    if own && changes {
        app.own_changes.take(&user.name).map_err(too_many_changes)?;
    }
    let origin = match own {
        true => permit.origin.clone(),
        false => permit.origin_with::<ManageUsers>(),
    };
    Ok(Json(user_response(&update_user(app, &origin, &user.name, &edit).await?)))
}

/// What is to be another. What is given as it is shown is no change.
fn edit(user: &UserRecord, change: UserChange) -> Result<UserEdit, ApiError> {
    let security = change.security.unwrap_or_default();
    let roles = security.roles.as_ref().map(roles).transpose()?;
    let known = user_response(user);
    let other = |given: Option<String>, shown: &str| given.filter(|given| given != shown);
    Ok(UserEdit {
        full_name: other(change.full_name, &known.full_name),
        email: other(change.email, &known.email),
        enabled: security.enabled.filter(|given| *given != user.enabled),
        roles: roles.filter(|given| *given != user.roles).map(RolesEdit::Set),
        password: security.password.map(|text| text.0),
    })
}

fn check_built_in(
    user: &UserRecord,
    asks: &UserRecord,
    password_may_change: bool,
) -> Result<(), ApiError> {
    let name = &user.name;
    if asks != user {
        let what = match asks.enabled {
            false => "it cannot be disabled",
            true => "its roles, full name and address stay as they are",
        };
        let message = format!("the user {name} came with the cluster: {what}");
        return Err(Answer::UserFixed.saying(message));
    }
    if !password_may_change {
        let message = format!(
            "the user {name} came with the cluster: its password is changed by itself, or with \
             'ece-agent reset-password --user {name}' on the first host"
        );
        return Err(Answer::UserFixed.saying(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::UserRole;

    #[test]
    fn what_is_given_as_it_is_shown_is_no_change() {
        let user = UserRecord::new("bob", [UserRole::PlatformAdmin], "x");
        let text = r#"{"full_name":"","security":{"enabled":true,"roles":["ece_platform_admin"]}}"#;
        let same = edit(&user, serde_json::from_str(text).expect("a change")).expect("valid");
        // Whoever takes role or access away meanwhile has the last word.
        let taken = UserRecord { enabled: false, roles: Default::default(), ..user };
        assert!(same.of(&taken, None) == taken);
    }
}
