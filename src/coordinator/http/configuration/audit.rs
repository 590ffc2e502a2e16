use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    coordinator::{
        app::App,
        http::{
            auth::{Permit, ReadAudit},
            error::ApiError,
            extract::Query,
        },
        records::{Actor, AuditRecord},
        services::audit::{AuditFilter, read_audit},
    },
    rt::Timestamp,
    wire::{
        FailedReply,
        audit::{AuditEntry, AuditPage},
    },
};

const DEFAULT_SIZE: usize = 100;
const LARGEST_SIZE: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
pub struct AuditParameters {
    /// Only this action, for example `host.join`.
    action: Option<String>,
    /// Only what was done to this.
    subject: Option<String>,
    /// RFC 3339: only from then on.
    since: Option<String>,
    /// Skip this many.
    from: Option<String>,
    /// At most this many: 100 without it, and never more than 10,000.
    size: Option<String>,
    /// `jsonl` for a line each.
    format: Option<String>,
}

fn shown(record: AuditRecord) -> AuditEntry {
    let (kind, name) = match record.actor {
        Actor::User(name) => ("user", Some(name)),
        Actor::Host(runner) => ("host", Some(runner.to_string())),
        Actor::Bootstrap => ("bootstrap", None),
        Actor::Local => ("local", None),
    };
    AuditEntry {
        at: record.at.rfc3339(),
        actor_kind: kind.into(),
        actor: name,
        source_address: record.source_address,
        request_id: record.request_id.to_string(),
        action: record.action,
        subject: record.subject,
        before: record.before,
        after: record.after,
    }
}

/// Show what was changed, the latest first
#[utoipa::path(
    get,
    path = "/configuration/audit",
    operation_id = "get-audit",
    params(AuditParameters),
    responses(
        (status = 200, description = "The changes; with format=jsonl one a line", body = AuditPage),
        (status = 400, description = "root.invalid_parameter", body = FailedReply),
    )
)]
pub async fn list(
    _permit: Permit<ReadAudit>,
    State(app): State<Arc<App>>,
    Query(given): Query<AuditParameters>,
) -> Result<Response, ApiError> {
    let invalid = |name, reason: &str| ApiError::InvalidParameter { name, reason: reason.into() };
    let number = |name, text: &Option<String>, default| match text.as_deref() {
        None | Some("") => Ok(default),
        Some(text) => {
            text.parse::<usize>().map_err(|_| invalid(name, "it is not a whole number from 0 on"))
        }
    };
    let since = match given.since.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            Timestamp::parse_rfc3339(text).ok_or_else(|| invalid("since", "it is not RFC 3339"))?,
        ),
    };
    let lines = match given.format.as_deref() {
        None | Some("" | "json") => false,
        Some("jsonl") => true,
        Some(_) => return Err(invalid("format", "it is json or jsonl")),
    };
    let from = number("from", &given.from, 0)?;
    let size = number("size", &given.size, DEFAULT_SIZE)?.min(LARGEST_SIZE);
    let filter = AuditFilter { action: given.action, subject: given.subject, since };
    let records = read_audit(&app, &filter, from, size).await?;
    let records: Vec<AuditEntry> = records.into_iter().map(shown).collect();
    if !lines {
        return Ok(Json(AuditPage { records }).into_response());
    }
    let mut text = String::new();
    for record in &records {
        text.push_str(&serde_json::to_string(record).map_err(|_| ApiError::Internal)?);
        text.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], text).into_response())
}
