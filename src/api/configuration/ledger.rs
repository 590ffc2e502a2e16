//! All roles tokens with who made them and who came with them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{
        auth::{ManageTokens, Permit},
        listed::{Listed, listed},
    },
    cluster::{
        app::App,
        operations::{
            removal::{Evicted, evict_hosts_of},
            tokens::{revoke_token, uses_of},
        },
        records::TokenRecord,
    },
    http::{
        error::{Answer, ApiError},
        extract::{Path, Query},
    },
    rt::Timestamp,
    store::StoreError,
    wire::{
        FailedReply,
        audit::{LedgerToken, RevokedToken, TokenLedger, TokenUse},
    },
};

async fn ledger_token(app: &App, token: &TokenRecord) -> Result<LedgerToken, StoreError> {
    let mut uses = uses_of(app, token.id).await?;
    uses.sort_by_key(|used| used.at);
    let used = |used: crate::cluster::records::UseRecord| TokenUse {
        runner_id: used.runner_id.to_string(),
        at: used.at.rfc3339(),
    };
    Ok(LedgerToken {
        token_id: token.id.to_string(),
        persistent: token.is_persistent(),
        roles: token.roles.iter().map(|role| role.name().to_owned()).collect(),
        created_at: token.created_at.rfc3339(),
        created_by: token.created_by.to_string(),
        created_from: token.created_from,
        expires_at: token.expires_at.map(Timestamp::rfc3339),
        max_uses: token.max_uses,
        description: token.description.clone(),
        allow_replace: token.allow_replace,
        revoked_at: token.revoked.as_ref().map(|revoked| revoked.at.rfc3339()),
        revoked_by: token.revoked.as_ref().map(|revoked| revoked.by.to_string()),
        uses: uses.into_iter().map(used).collect(),
    })
}

/// List all roles tokens, ephemeral and revoked ones too
#[utoipa::path(
    get,
    path = "/configuration/security/token-ledger",
    operation_id = "get-token-ledger",
    responses((status = 200, description = "The tokens, without their texts", body = TokenLedger))
)]
pub async fn list(
    permit: Permit<ManageTokens>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    let all = app.registry.tokens();
    let mut tokens = Vec::new();
    for token in &all {
        tokens.push(ledger_token(&app, token).await?);
    }
    listed(&app, &permit, tokens.len(), move || {
        tokens.sort_by(|one, other| other.created_at.cmp(&one.created_at));
        TokenLedger { tokens }
    })
    .await
}

fn find(app: &App, id: &str) -> Result<Arc<TokenRecord>, ApiError> {
    let view = app.registry.view();
    let id = id.parse().map_err(|_| Answer::NoSuchToken)?;
    view.token(id).ok_or(Answer::NoSuchToken.into())
}

/// Show a roles token and who came with it
#[utoipa::path(
    get,
    path = "/configuration/security/token-ledger/{token_id}",
    operation_id = "get-ledger-token",
    params(("token_id" = String, Path, description = "The token's id")),
    responses(
        (status = 200, description = "The token, without its text", body = LedgerToken),
        (status = 404, description = "enrollment_tokens.invalid_token_id", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ManageTokens>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<LedgerToken>, ApiError> {
    let token = find(&app, &id)?;
    Ok(Json(ledger_token(&app, &token).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct RevokeParameters {
    /// Also remove the hosts that came with it; their sessions end at once.
    evict: Option<bool>,
    /// How many hosts to remove at most, so that an answer is not long in coming; `left` of it says
    /// whether to ask again.
    limit: Option<u32>,
}

/// Revoke a roles token, and remove the hosts that came with it if that is wanted
#[utoipa::path(
    delete,
    path = "/configuration/security/token-ledger/{token_id}",
    operation_id = "revoke-ledger-token",
    params(("token_id" = String, Path, description = "The token's id"), RevokeParameters),
    responses(
        (status = 200, description = "It lets nobody in any more", body = RevokedToken),
        (status = 404, description = "enrollment_tokens.invalid_token_id", body = FailedReply),
    )
)]
pub async fn revoke(
    permit: Permit<ManageTokens>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(given): Query<RevokeParameters>,
) -> Result<Json<RevokedToken>, ApiError> {
    let token = find(&app, &id)?;
    // One that is revoked already may still have hosts to be removed.
    if token.revoked.is_none() {
        revoke_token(&app, &permit.origin, &token.id.to_string()).await?;
    }
    let mut reply = RevokedToken::default();
    if given.evict == Some(true) {
        let most = given.limit.map_or(usize::MAX, |most| most as usize);
        let Evicted { hosts, left } = evict_hosts_of(&app, &permit.origin, token.id, most).await?;
        reply.evicted = hosts.iter().map(ToString::to_string).collect();
        reply.left = left as u64;
    }
    Ok(Json(reply))
}
