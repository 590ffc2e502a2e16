use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    api::{
        auth::{ManageTokens, Permit},
        listed::{Listed, listed},
    },
    cluster::{
        app::App,
        operations::tokens::{TokenOptions, create_token, list_tokens, revoke_token},
        records::TokenRecord,
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path},
    },
    wire::{
        EmptyResponse, FailedReply,
        tokens::{
            EnrollmentTokenRequest, ListEnrollmentTokenElement, ListEnrollmentTokenReply,
            RequestEnrollmentTokenReply,
        },
    },
};

/// Make a roles token
#[utoipa::path(
    post,
    path = "/configuration/security/enrollment-tokens",
    operation_id = "create-enrollment-token",
    request_body = EnrollmentTokenRequest,
    responses(
        (status = 200, description = "The token; its text is not shown again", body = RequestEnrollmentTokenReply),
        (status = 400, description = "enrollment_tokens.invalid_token_request", body = FailedReply),
        (status = 403, description = "enrollment_tokens.signing_key_not_found", body = FailedReply),
    )
)]
pub async fn create(
    permit: Permit<ManageTokens>,
    State(app): State<Arc<App>>,
    body: Result<Body<EnrollmentTokenRequest>, ApiError>,
) -> Result<Json<RequestEnrollmentTokenReply>, ApiError> {
    let Body(request) = body.map_err(|error| error.naming_body(Answer::InvalidTokenRequest))?;
    let token = create_token(&app, &permit.origin, TokenOptions::try_from(request)?).await?;
    let token_id = token.record.is_persistent().then(|| token.record.id.to_string());
    Ok(Json(RequestEnrollmentTokenReply { token: token.text.expose().to_owned(), token_id }))
}

/// List the persistent roles tokens
#[utoipa::path(
    get,
    path = "/configuration/security/enrollment-tokens",
    operation_id = "get-enrollment-tokens",
    responses((status = 200, description = "Ids and roles, no texts", body = ListEnrollmentTokenReply))
)]
pub async fn list(
    permit: Permit<ManageTokens>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    let tokens = list_tokens(&app);
    let shown = |token: &Arc<TokenRecord>| ListEnrollmentTokenElement {
        token_id: token.id.to_string(),
        roles: token.roles.iter().map(|role| role.name().to_owned()).collect(),
        description: token.description.clone(),
        max_uses: token.max_uses,
    };
    listed(&app, &permit, tokens.len(), move || ListEnrollmentTokenReply {
        tokens: tokens.iter().map(shown).collect(),
    })
    .await
}

/// Revoke a roles token
#[utoipa::path(
    delete,
    path = "/configuration/security/enrollment-tokens/{token}",
    operation_id = "delete-enrollment-token",
    params(("token" = String, Path, description = "The token's id, or its whole text")),
    responses(
        (status = 200, description = "It lets nobody in any more", body = EmptyResponse),
        (status = 404, description = "enrollment_tokens.invalid_token_id", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ManageTokens>,
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Json<EmptyResponse>, ApiError> {
    revoke_token(&app, &permit.origin, &token).await?;
    Ok(Json(EmptyResponse {}))
}
