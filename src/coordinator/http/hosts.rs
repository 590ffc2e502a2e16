//! The port for hosts: enrolment, and the session that follows.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::time::{Instant, sleep_until};

use super::{
    context::{RequestId, SharedContext},
    error::{ApiError, failed},
    extract::Body,
};
use crate::{
    coordinator::{
        app::App,
        liveness::Poll,
        records::{HostRecord, KeyRecord},
        services::{
            enrolment::{Caller, EnrolError, enrol},
            members::update_facts,
        },
    },
    model::{Code, Exit},
    store::StoreError,
    wire::{
        FailedReplyElement,
        hosts::{DesiredState, EnrolReply, EnrolRequest, PROTOCOL, SessionReply, SessionRequest},
    },
};

/// What a host is told instead of success.
pub enum HostError {
    Refused(Code, String),
    Api(ApiError),
}

impl From<ApiError> for HostError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}

impl From<EnrolError> for HostError {
    fn from(error: EnrolError) -> Self {
        let message = error.to_string();
        let code = match error {
            EnrolError::TokenInvalid => Code::TokenInvalid,
            EnrolError::TokenRevoked(_) => Code::TokenRevoked,
            EnrolError::TokenExpired { .. } => Code::TokenExpired,
            EnrolError::TokenUsedUp(_) => Code::TokenUsedUp,
            EnrolError::RolesExceeded { .. } => Code::TokenRolesExceeded,
            EnrolError::RoleNotAvailable(_) => Code::JoinRoleNotAvailable,
            EnrolError::RunnerIdTaken { .. } => Code::JoinRunnerIdTaken,
            EnrolError::KeyInUse { .. } => Code::JoinKeyInUse,
            EnrolError::RolesDiffer { .. } => Code::JoinRolesDiffer,
            EnrolError::Removed { .. } => Code::HostRemoved,
            EnrolError::InvalidFacts(_) => Code::CoordinatorProtocol,
            EnrolError::Store(error) => return error.into(),
        };
        Self::Refused(code, message)
    }
}

impl IntoResponse for HostError {
    fn into_response(self) -> Response {
        match self {
            HostError::Api(error) => error.into_response(),
            HostError::Refused(code, message) => {
                let status = match code.exit() {
                    Exit::Refused | Exit::TokenRefusedLocally => StatusCode::FORBIDDEN,
                    _ => StatusCode::BAD_REQUEST,
                };
                let element = FailedReplyElement {
                    code: code.name().to_owned(),
                    message,
                    fields: None,
                    cause_code: None,
                    fix: Some(code.fix().to_owned()),
                };
                failed(status, element)
            }
        }
    }
}

fn caller(connection: &SharedContext, request: RequestId) -> Result<Caller, HostError> {
    Ok(Caller {
        key: connection.key.ok_or(ApiError::Internal)?,
        address: connection.address(),
        request_id: request.0,
    })
}

fn check_protocol(protocol: u32) -> Result<(), HostError> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let message = format!("the host speaks protocol {protocol}, and this coordinator {PROTOCOL}");
    Err(HostError::Refused(Code::CoordinatorProtocol, message))
}

pub async fn enrol_host(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<SharedContext>,
    request_id: RequestId,
    Body(request): Body<EnrolRequest>,
) -> Result<Json<EnrolReply>, HostError> {
    check_protocol(request.protocol)?;
    let caller = caller(&connection, request_id)?;
    let runner = request.runner_id.clone();
    let host = enrol(&app, caller, request).await.inspect_err(|error| {
        tracing::warn!(%runner, from = %caller.address, request_id = %caller.request_id, %error, "host was not let in");
    })?;
    connection.vouch();
    Ok(Json(EnrolReply {
        protocol: PROTOCOL,
        cluster_id: app.cluster.id.clone(),
        runner_id: host.runner_id,
        roles: host.joined.roles,
        coordinators: app.known_coordinators(),
        pins: app.cluster.pins.clone(),
        ca_certificate: app.cluster.ca_certificate.clone(),
    }))
}

pub async fn session(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<SharedContext>,
    request_id: RequestId,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SessionReply>, HostError> {
    check_protocol(request.protocol)?;
    let caller = caller(&connection, request_id)?;
    let mut host = member(&app, &caller)?;
    connection.vouch();
    // Another key on the same connection is not possible, so the first runner stays right.
    let runner = connection.session_of.get_or_init(|| host.runner_id.clone()).clone();
    if request.closing {
        app.liveness.said_goodbye(&runner, request.session);
        return Ok(Json(reply(&app, &host, false)));
    }
    let knows_facts = host.facts_hash == request.facts_hash;
    let has_facts = request.facts.is_some();
    if let Some(facts) = request.facts
        && !knows_facts
    {
        update_facts(&app, caller, &runner, facts, request.facts_hash).await?;
    }
    let poll = app.liveness.poll(&runner, request.session, connection.id, request.health);
    let told = Duration::from_millis(request.hold_ms);
    let until = Instant::now() + app.liveness.hold_at_most(told);
    // What changed before the poll was known to liveness has told nobody.
    host = member(&app, &caller)?;
    if knows_facts || has_facts {
        host = wait_for_news(&app, &caller, &poll, request.applied_revision, host, until).await?;
    }
    app.liveness.answered(&runner, &poll);
    Ok(Json(reply(&app, &host, !(knows_facts || has_facts))))
}

/// Holds the poll until the host is meant to run something else, is removed, or the time is up.
async fn wait_for_news(
    app: &App,
    caller: &Caller,
    poll: &Poll,
    applied_revision: u64,
    mut host: Arc<HostRecord>,
    until: Instant,
) -> Result<Arc<HostRecord>, HostError> {
    while host.desired_revision == applied_revision {
        let in_time = tokio::select! {
            () = poll.news.notified() => true,
            () = app.shutdown.wait() => false,
            () = sleep_until(until) => false,
        };
        host = member(app, caller).inspect_err(|_| app.liveness.ended(&host.runner_id))?;
        if !in_time || !app.liveness.is_current(&host.runner_id, poll) {
            break;
        }
    }
    Ok(host)
}

fn member(app: &App, caller: &Caller) -> Result<Arc<HostRecord>, HostError> {
    let view = app.registry.view();
    match view.key(&caller.key).as_deref() {
        Some(KeyRecord::Host { runner_id }) => view
            .host(runner_id)
            .filter(|host| host.key == caller.key)
            .ok_or_else(|| ApiError::Internal.into()),
        Some(KeyRecord::Removed { runner_id, at }) => {
            let message = format!("the host {runner_id} was removed from the cluster at {at}");
            Err(HostError::Refused(Code::HostRemoved, message))
        }
        None => {
            let message = format!("no host with the key {} is a member", caller.key);
            Err(HostError::Refused(Code::HostUnknown, message))
        }
    }
}

fn reply(app: &App, host: &HostRecord, send_facts: bool) -> SessionReply {
    let names = host.roles.iter().map(|role| role.name().to_owned());
    SessionReply {
        protocol: PROTOCOL,
        desired: DesiredState {
            revision: host.desired_revision,
            roles: names.chain(host.other_roles.iter().cloned()).collect(),
        },
        hold_ms: app.liveness.hold().as_millis() as u64,
        return_window_ms: app.liveness.return_window().as_millis() as u64,
        send_facts,
        coordinators: app.known_coordinators(),
    }
}
