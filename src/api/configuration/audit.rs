use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use hyper::body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use crate::{
    api::{
        auth::{Permit, ReadAudit},
        listed::listed,
    },
    cluster::{
        app::App,
        operations::{
            audit::{AuditFilter, read_audit},
            document_secrets::redact,
        },
        records::{Actor, AuditPlace, AuditRecord},
    },
    http::{error::ApiError, extract::Query},
    rt::Timestamp,
    store::StoreError,
    wire::{
        FailedReply,
        audit::{AuditEntry, AuditPage},
    },
};

const DEFAULT_SIZE: usize = 100;
const LARGEST_SIZE: usize = 10_000;
const LINES_AT_A_TIME: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParameters {
    /// Only this action, for example `host.join`.
    action: Option<String>,
    /// Only what was done to this.
    subject: Option<String>,
    /// RFC 3339: only from then on.
    since: Option<String>,
    /// Skip this many.
    from: Option<String>,
    /// At most this many: 100 without it, and never more than 10,000; with `format=jsonl` all
    /// without it. A page ends early when it gets large.
    size: Option<String>,
    /// Only what is older: `next` of the page before.
    before: Option<String>,
    /// `jsonl` for a line each.
    format: Option<String>,
}

fn audit_entry(mut record: AuditRecord) -> AuditEntry {
    // Earlier versions left secrets of settings in their records, which are never altered.
    if let Some((kind, _)) = record.subject.split_once('/') {
        redact(kind, &mut record.before, &mut record.after);
    }
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
    permit: Permit<ReadAudit>,
    State(app): State<Arc<App>>,
    Query(given): Query<AuditParameters>,
) -> Result<Response, ApiError> {
    let invalid = |name, reason: &str| ApiError::invalid_parameter(name, reason);
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
    let before = match given.before.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            text.parse::<AuditPlace>()
                .map_err(|()| invalid("before", "it is not the 'next' of a page"))?,
        ),
    };
    let from = number("from", &given.from, 0)?;
    let filter = AuditFilter { action: given.action, subject: given.subject, since };
    if lines {
        let most = number("size", &given.size, usize::MAX)?;
        return Ok(as_lines(Reading { app, filter, before, skip: from, most }));
    }
    let size = number("size", &given.size, DEFAULT_SIZE)?.min(LARGEST_SIZE);
    let page = read_audit(&app, &filter, before, from, size).await?;
    let next = page.next.as_ref().map(ToString::to_string);
    let count = page.records.len();
    let make = || AuditPage { records: page.records.into_iter().map(audit_entry).collect(), next };
    Ok(listed(&app, &permit, count, make).await?.into_response())
}

/// An export that is under way.
struct Reading {
    app: Arc<App>,
    filter: AuditFilter,
    before: Option<AuditPlace>,
    skip: usize,
    most: usize,
}

impl Reading {
    /// The next lines, or `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let size = self.most.min(LINES_AT_A_TIME);
        let before = self.before.take();
        let page = read_audit(&self.app, &self.filter, before, self.skip, size).await?;
        (self.skip, self.before) = (0, page.next);
        self.most -= page.records.len();
        let mut text = String::new();
        for record in page.records {
            text.push_str(&serde_json::to_string(&audit_entry(record)).unwrap_or_default());
            text.push('\n');
        }
        if self.before.is_none() {
            self.most = 0;
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

/// Lines as they are taken: whoever reads slowly, or goes away, holds nothing up.
struct Lines(mpsc::Receiver<Result<Bytes, StoreError>>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        self.0.poll_recv(context).map(|next| next.map(|lines| lines.map(Frame::data)))
    }
}

fn as_lines(mut reading: Reading) -> Response {
    let (sender, lines) = mpsc::channel(1);
    tokio::spawn(async move {
        while reading.most > 0 {
            let next = reading.next().await;
            let failed = next.is_err();
            if let Err(error) = &next {
                tracing::error!(%error, "an export of the audit broke off: {error}");
            }
            let Some(next) = next.transpose() else { break };
            if sender.send(next).await.is_err() || failed {
                break;
            }
        }
    });
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::new(Lines(lines))).into_response()
}
