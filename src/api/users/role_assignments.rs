use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};

use super::accounts::roles;
use crate::{
    api::{
        auth::{ManageUsers, Permit},
        not_served::says_not_served,
    },
    cluster::{
        app::App,
        operations::users::{RolesEdit, UserEdit, update_user},
        records::UserRole,
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path},
    },
    wire::{EmptyResponse, FailedReply, users::RoleAssignments},
};

/// Give a user roles
#[utoipa::path(
    post,
    path = "/users/{user_id}/role_assignments",
    operation_id = "add-role-assignments",
    params(("user_id" = String, Path, description = "The user's name")),
    request_body = RoleAssignments,
    responses(
        (status = 200, description = "The user has them", body = EmptyResponse),
        (status = 400, description = "role_assignments.invalid_target_user_id, user.roles.invalid", body = FailedReply),
        (status = 403, description = "role_assignments.unauthorized_role_assignments", body = FailedReply),
        (status = 501, description = "root.not_implemented: roles for some deployments, or in an organization", body = FailedReply),
    )
)]
pub async fn assign(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(given): Body<RoleAssignments>,
) -> Result<Json<EmptyResponse>, ApiError> {
    apply(&app, &permit, &name, RolesEdit::Give(assigned(&given)?)).await
}

/// Take roles from a user
#[utoipa::path(
    delete,
    path = "/users/{user_id}/role_assignments",
    operation_id = "remove-role-assignments",
    params(("user_id" = String, Path, description = "The user's name")),
    request_body = RoleAssignments,
    responses(
        (status = 200, description = "The user has them no more", body = EmptyResponse),
        (status = 400, description = "role_assignments.invalid_target_user_id, user.roles.invalid", body = FailedReply),
        (status = 403, description = "role_assignments.unauthorized_role_assignments", body = FailedReply),
        (status = 501, description = "root.not_implemented: roles for some deployments, or in an organization", body = FailedReply),
    )
)]
pub async fn unassign(
    permit: Permit<ManageUsers>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(given): Body<RoleAssignments>,
) -> Result<Json<EmptyResponse>, ApiError> {
    apply(&app, &permit, &name, RolesEdit::Take(assigned(&given)?)).await
}

fn assigned(given: &RoleAssignments) -> Result<BTreeSet<UserRole>, ApiError> {
    let of_some = |it: &&crate::wire::users::RoleAssignment| {
        it.deployment_ids.as_ref().is_some_and(|ids| !ids.is_empty())
    };
    let all = || [&given.platform, &given.deployment].into_iter().flatten().flatten();
    if all().any(|it| of_some(&it)) {
        return Err(says_not_served("roles for some deployments only"));
    }
    if given.organization.as_ref().is_some_and(|them| !them.is_empty()) {
        return Err(says_not_served("roles in organizations"));
    }
    roles(all().map(|it| &it.role_id))
}

async fn apply(
    app: &App,
    permit: &Permit<ManageUsers>,
    name: &str,
    edit: RolesEdit,
) -> Result<Json<EmptyResponse>, ApiError> {
    let user = app
        .registry
        .view()
        .user(name)
        .ok_or_else(|| Answer::AssignedToNobody.saying(format!("there is no user {name}")))?;
    let fixed = user.is_built_in() || user.name == permit.user.name;
    if fixed && edit.of(&user.roles) != user.roles {
        let message = match user.is_built_in() {
            true => format!("the user {name} came with the cluster: its roles stay as they are"),
            false => "nobody changes their own roles".into(),
        };
        return Err(Answer::AssignmentRefused.saying(message));
    }
    let edit = UserEdit { roles: Some(edit), ..Default::default() };
    update_user(app, &permit.origin, name, &edit).await?;
    Ok(Json(EmptyResponse {}))
}
