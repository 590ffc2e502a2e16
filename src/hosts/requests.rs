//! The port for hosts: enrolment, and the session that follows.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use super::{desired::desired_state, error::not_left};
use crate::{
    cluster::{
        app::App,
        counters::joined,
        liveness::{Challenge, Holder, Poll, Source},
        member::Member,
        operations::{
            Caller,
            enrolment::{EnrolError, enrol},
            members::update_facts,
            removal::leave,
        },
        records::KeyRecord,
    },
    http::{
        error::{Answer, ApiError},
        extract::Body,
        request_id::RequestId,
    },
    limits::quiet::Quiet,
    model::{Code, Role, RunnerId, SessionId},
    server::SharedContext,
    wire::{
        EmptyResponse,
        hosts::{
            EnrolReply, EnrolRequest, HelloReply, LeaveRequest, Notice, PROTOCOL, RoleHealth,
            SessionReply, SessionRequest,
        },
    },
};

fn caller(connection: &SharedContext, request: RequestId) -> Result<Caller, ApiError> {
    Ok(Caller {
        key: connection.key.ok_or(Answer::Internal)?,
        address: connection.address(),
        request_id: request.0,
    })
}

fn check_protocol(protocol: u32) -> Result<(), ApiError> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let message = format!("the host speaks protocol {protocol}, and this coordinator {PROTOCOL}");
    Err(Answer::Host(Code::CoordinatorProtocol).saying(message))
}

pub async fn enrol_host(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<SharedContext>,
    request_id: RequestId,
    Body(request): Body<EnrolRequest>,
) -> Result<Json<EnrolReply>, ApiError> {
    check_protocol(request.protocol)?;
    let caller = caller(&connection, request_id)?;
    let runner = request.runner_id.clone();
    let enrolled = enrol(&app, caller, request).await;
    joined(enrolled.as_ref().map_or_else(EnrolError::code, |_| "ok"));
    let host = enrolled.inspect_err(|error| refused(&runner, &caller, error))?;
    // It is one of those who are known when it keeps a session, not before.
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

/// Logs a refusal, which anybody with any key can cause.
fn refused(runner: &RunnerId, caller: &Caller, error: &EnrolError) {
    static SAID: Quiet = Quiet::new();
    if let Some(left_out) = SAID.may_tell(caller.address) {
        tracing::warn!(%runner, from = %caller.address, request_id = %caller.request_id, %error, left_out, "the host {runner} was not let in from {}: {error}", caller.address);
    }
}

pub async fn session(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<SharedContext>,
    request_id: RequestId,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SessionReply>, ApiError> {
    let caller = caller(&connection, request_id)?;
    // Boxed, so that a poll that is held keeps no room for what came with it.
    match Box::pin(begin(&app, &connection, caller, request)).await? {
        Begun::Answered(reply) => Ok(Json(reply)),
        Begun::Held { host, poll, applied_revision, until } => {
            let held = wait_for_news(&app, &caller, &poll, applied_revision, host, until);
            let host = held.await?;
            app.liveness.answered(&host.runner_id, &poll);
            Ok(Json(reply(&app, &host, false)))
        }
    }
}

fn source(
    connection: &SharedContext,
    caller: &Caller,
    session: SessionId,
    boot_id: Option<&str>,
) -> Source {
    Source {
        session,
        connection: connection.id,
        key: caller.key,
        address: connection.address(),
        boot_id: boot_id.and_then(|id| id.parse().ok()),
    }
}

/// What becomes of a poll when all that it says is taken in.
enum Begun {
    Answered(SessionReply),
    Held { host: Arc<Member>, poll: Poll, applied_revision: u64, until: Instant },
}

async fn begin(
    app: &App,
    connection: &SharedContext,
    caller: Caller,
    request: SessionRequest,
) -> Result<Begun, ApiError> {
    check_protocol(request.protocol)?;
    let host = member(app, &caller)?;
    connection.admission.belongs_to_key(caller.key);
    let runner = host.runner_id.clone();
    // Another key on the same connection is not possible, so the first runner stays right.
    connection.when_closed(|| {
        let (liveness, runner, id) = (app.liveness.clone(), runner.clone(), connection.id);
        Box::new(move || liveness.connection_closed(&runner, id))
    });
    let wait = app.host_allowances.poll(&runner);
    if !wait.is_zero() {
        sleep(wait).await;
    }
    if request.closing {
        app.liveness.said_goodbye(&runner, request.session);
        return Ok(Begun::Answered(reply(app, &host, false)));
    }
    let source = source(connection, &caller, request.session, request.boot_id.as_deref());
    // Before anything that it says of itself is taken in.
    stand_against_rivals(app, &runner, &source).await?;
    let knows_facts = host.facts_hash == request.facts_hash;
    let has_facts = request.facts.is_some();
    if let Some(facts) = request.facts
        && !knows_facts
    {
        update_facts(app, caller, &runner, facts, request.facts_hash).await?;
    }
    let poll = app.liveness.poll(&runner, source, bounded(request.health, &host));
    // What changed before the poll was known to liveness has told nobody.
    let host = member(app, &caller).inspect_err(|_| app.liveness.refused(&runner, &poll))?;
    if !knows_facts && !has_facts && !app.host_allowances.facts_wait(&runner) {
        app.liveness.answered(&runner, &poll);
        return Ok(Begun::Answered(reply(app, &host, true)));
    }
    let told = Duration::from_millis(request.hold_ms);
    let until = Instant::now() + app.liveness.hold_at_most(told);
    Ok(Begun::Held { host, poll, applied_revision: request.applied_revision, until })
}

/// What a host says of the roles that it has, of which no more is kept than people would read.
fn bounded(mut health: BTreeMap<Role, RoleHealth>, host: &Member) -> BTreeMap<Role, RoleHealth> {
    const MOST_CHARS: usize = 256;
    health.retain(|role, _| host.has(*role));
    for health in health.values_mut() {
        // Earlier versions say it; nobody here asks for it.
        health.applied = None;
        let said = [Some(&mut health.detail), health.code.as_mut(), health.fix.as_mut()];
        for text in said.into_iter().flatten() {
            if let Some((end, _)) = text.char_indices().nth(MOST_CHARS) {
                text.truncate(end);
            }
            text.shrink_to_fit();
        }
    }
    health
}

/// How long the machine that was there first has for a sign of life.
const CHALLENGE: Duration = Duration::from_secs(5);

/// Refuses a session whose key another machine has, and uses now.
async fn stand_against_rivals(
    app: &App,
    runner: &RunnerId,
    source: &Source,
) -> Result<(), ApiError> {
    let holder = match app.liveness.challenge(runner, source, app.clock.now()) {
        Challenge::NotNeeded => return Ok(()),
        Challenge::Rival(holder) => holder,
        Challenge::Pending(decided) => match timeout(CHALLENGE, decided).await {
            Ok(Ok(holder)) => holder,
            // Gone, or silent: this is the same machine after a reboot.
            Ok(Err(_)) | Err(_) => return Ok(()),
        },
    };
    let own = Holder { address: source.address, boot_id: source.boot_id };
    static SAID: Quiet = Quiet::new();
    if let Some(left_out) = SAID.may_tell(source.address) {
        tracing::warn!(%runner, holder = machine(&holder), newcomer = machine(&own), left_out, "two machines have the key of {runner}: {} and {}", machine(&holder), machine(&own));
    }
    let message = format!(
        "another machine with the key of {runner} is connected: {}; this one is {}",
        machine(&holder),
        machine(&own)
    );
    Err(Answer::Host(Code::HostCloned).saying(message))
}

/// A machine in words.
fn machine(holder: &Holder) -> String {
    let boot_id = holder.boot_id.map_or("unknown".into(), |id| id.to_string());
    format!("{} (boot id {boot_id})", holder.address)
}

/// Ends the membership of the host that asks.
pub async fn leave_cluster(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<SharedContext>,
    request_id: RequestId,
    Body(request): Body<LeaveRequest>,
) -> Result<Json<EmptyResponse>, ApiError> {
    check_protocol(request.protocol)?;
    let caller = caller(&connection, request_id)?;
    let host = member(&app, &caller)?;
    // A copy of the host does not end the membership of the one that is there. Who names no session
    // is not the one that has one.
    let session = request.session.unwrap_or(SessionId(Uuid::nil()));
    let source = source(&connection, &caller, session, request.boot_id.as_deref());
    stand_against_rivals(&app, &host.runner_id, &source).await?;
    leave(&app, caller, &host.runner_id).await.map_err(not_left)?;
    Ok(Json(EmptyResponse {}))
}

/// Tells anybody with any key who answers here, and what time it is.
pub async fn hello(State(app): State<Arc<App>>) -> Json<HelloReply> {
    Json(HelloReply {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now_ms: app.clock.now().unix_millis(),
    })
}

/// Holds the poll until the host is meant to run something else, is removed, or the time is up.
async fn wait_for_news(
    app: &App,
    caller: &Caller,
    poll: &Poll,
    applied_revision: u64,
    mut host: Arc<Member>,
    until: Instant,
) -> Result<Arc<Member>, ApiError> {
    while host.desired_revision() == applied_revision {
        let in_time = tokio::select! {
            () = poll.news.notified() => true,
            () = app.shutdown.wait() => false,
            () = sleep_until(until) => false,
        };
        host = member(app, caller).inspect_err(|_| app.liveness.refused(&host.runner_id, poll))?;
        if !in_time
            || !app.liveness.is_current(&host.runner_id, poll)
            || app.liveness.is_challenged(&host.runner_id, poll)
        {
            break;
        }
    }
    Ok(host)
}

fn member(app: &App, caller: &Caller) -> Result<Arc<Member>, ApiError> {
    let view = app.registry.view();
    match view.key(&caller.key).as_deref() {
        Some(KeyRecord::Host { runner_id }) => view
            .host(runner_id)
            .filter(|host| host.key == caller.key)
            .ok_or(Answer::Internal.into()),
        Some(KeyRecord::Removed { runner_id, at }) => {
            let message = format!("the host {runner_id} was removed from the cluster at {at}");
            Err(Answer::Host(Code::HostRemoved).saying(message))
        }
        None => {
            let message = format!("no host with the key {} is a member", caller.key);
            Err(Answer::Host(Code::HostUnknown).saying(message))
        }
    }
}

fn reply(app: &App, host: &Member, send_facts: bool) -> SessionReply {
    SessionReply {
        protocol: PROTOCOL,
        runner_id: Some(host.runner_id.clone()),
        desired: desired_state(host),
        hold_ms: app.liveness.hold().as_millis() as u64,
        return_window_ms: app.pace.return_window(app.liveness.count()).as_millis() as u64,
        send_facts,
        coordinators: app.known_coordinators(),
        notices: notices(app, host),
        now_ms: Some(app.clock.now().unix_millis()),
    }
}

fn notices(app: &App, host: &Member) -> Vec<Notice> {
    let rivals = app.liveness.rivals(&host.runner_id, app.clock.now());
    let too_often = app.host_allowances.facts_wait(&host.runner_id).then(|| {
        let code = Code::HostFactsTooOften;
        Notice { code: code.name().into(), message: code.cause().into(), fix: code.fix().into() }
    });
    rivals
        .iter()
        .map(|rival| {
            let other = machine(&Holder { address: rival.address, boot_id: rival.boot_id });
            Notice {
                code: Code::HostCloned.name().to_owned(),
                message: format!("another machine has this host's key and is kept apart: {other}"),
                fix: Code::HostCloned.fix().to_owned(),
            }
        })
        .chain(too_often)
        .collect()
}
