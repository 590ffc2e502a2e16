use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};

use crate::{
    api::auth::{OwnAccount, Permit, bearer},
    cluster::{
        app::App,
        operations::sessions::{open_session, user_of_session},
        records::UserRecord,
        sessions::{LIFETIME, Way},
        sign_in::check_password,
    },
    http::{
        error::{Answer, ApiError},
        extract::Body,
    },
    limits::source::Source,
    model::Secret,
    server::SharedContext,
    wire::{
        EmptyResponse, FailedReply,
        users::{AuthenticationInfo, AvailableAuthenticationMethods, LoginRequest, TokenResponse},
    },
};

/// A new session; `None` if the user was shut out meanwhile.
fn opened(app: &App, user: &UserRecord) -> Option<Json<TokenResponse>> {
    let text = open_session(app, user, Way::Api)?;
    Some(Json(TokenResponse {
        token: text.expose().to_owned(),
        session_expiration_time: app.clock.now().plus(LIFETIME).rfc3339(),
    }))
}

/// Say how users can log in
#[utoipa::path(
    get,
    path = "/users/auth/methods",
    operation_id = "methods",
    responses((status = 200, description = "By password", body = AvailableAuthenticationMethods))
)]
pub async fn methods() -> Json<AvailableAuthenticationMethods> {
    Json(AvailableAuthenticationMethods {
        password: true,
        saml: false,
        openid: false,
        sso_methods: Vec::new(),
    })
}

/// Say how the one who asks is logged in
#[utoipa::path(
    get,
    path = "/users/auth",
    operation_id = "get-authentication-info",
    responses((status = 200, description = "Without elevated permissions", body = AuthenticationInfo))
)]
pub async fn info(_permit: Permit<OwnAccount>) -> Json<AuthenticationInfo> {
    Json(AuthenticationInfo {
        has_totp_device: false,
        has_elevated_permissions: false,
        refresh_token_url: "/api/v1/users/auth/_refresh".into(),
    })
}

/// Get a bearer token for a password
#[utoipa::path(
    post,
    path = "/users/auth/_login",
    operation_id = "login",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "A bearer token, good for an hour", body = TokenResponse),
        (status = 400, description = "root.invalid_body", body = FailedReply),
        (status = 401, description = "root.unauthenticated", body = FailedReply),
    )
)]
pub async fn login(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<SharedContext>,
    Body(request): Body<LoginRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let from = Source::of(connection.address());
    let queued = connection.admission.queue();
    let user = check_password(&app, &request.username, &request.password.0, from).await?;
    drop(queued);
    connection.admission.belongs_to_user(&user.name);
    opened(&app, &user).ok_or(Answer::Unauthenticated.into())
}

/// A bearer token that is good; without one the answer is not that of other operations.
pub struct Refreshing {
    text: Secret,
    user: Arc<UserRecord>,
}

impl FromRequestParts<Arc<App>> for Refreshing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let text = bearer(&parts.headers).ok_or(Answer::NoSession)?;
        let user = user_of_session(app, &text).ok_or(Answer::NoSession)?;
        Ok(Self { text, user })
    }
}

/// Get a new bearer token for one that is still good, and ends with it
#[utoipa::path(
    post,
    path = "/users/auth/_refresh",
    operation_id = "refresh-token",
    responses(
        (status = 200, description = "A bearer token, good for an hour", body = TokenResponse),
        (status = 401, description = "root.unauthorized", body = FailedReply),
    )
)]
pub async fn refresh(
    State(app): State<Arc<App>>,
    refreshing: Refreshing,
) -> Result<Json<TokenResponse>, ApiError> {
    let renewed = opened(&app, &refreshing.user);
    app.sessions.close(refreshing.text.expose());
    renewed.ok_or(Answer::NoSession.into())
}

/// End the session that the request came with
#[utoipa::path(
    post,
    path = "/users/auth/_logout",
    operation_id = "logout",
    responses((status = 200, description = "The bearer token is good no more", body = EmptyResponse))
)]
pub async fn logout(
    permit: Permit<OwnAccount>,
    State(app): State<Arc<App>>,
) -> Json<EmptyResponse> {
    if let Some(text) = &permit.bearer {
        app.sessions.close(text.expose());
    }
    Json(EmptyResponse {})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        operations::users::{UserEdit, update_user},
        records::create,
        testing::TestCluster,
    };

    #[tokio::test]
    async fn who_is_disabled_while_they_log_in_has_no_session_when_they_are_back() {
        let cluster = TestCluster::start().await;
        let app = &cluster.app;
        let bob = UserRecord::new("bob", [], "hash");
        let made = app.store.commit(vec![create(UserRecord::path("bob"), &bob)]).await;
        app.registry.caught_up(made.expect("committed")).await;
        assert!(opened(app, &bob).is_some());
        let disabled = UserEdit { enabled: Some(false), ..Default::default() };
        update_user(app, &cluster.origin(), "bob", &disabled).await.expect("disabled");
        assert!(opened(app, &bob).is_none());
        assert_eq!(app.sessions.count(), 0);
    }
}
