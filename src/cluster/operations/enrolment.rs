mod counted;
mod refused;
mod replacement;
mod uses;

use serde_json::json;

pub use self::refused::EnrolError;
use self::{counted::Counted, replacement::replace, uses::use_of};
use super::{
    Attempt, Caller, carry_out,
    members::check_facts,
    roles::roles_of_the_first_host,
    stored::{StoredMember, holder_of},
};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        member::Member,
        records::{
            Actor, FactsRecord, IdentityRecord, Joined, KeyRecord, TokenRecord, UseRecord, create,
            decode,
        },
    },
    model::{Code, KeyId, RunnerId},
    rt::Timestamp,
    store::{Op, Room, StoreError},
    token::{UnverifiedToken, VerifiedToken},
    wire::hosts::EnrolRequest,
};

/// Makes the host that holds `caller.key` a member. Asking again gives the same answer, and
/// counts once, whatever has become of the token since.
pub async fn enrol(app: &App, caller: Caller, request: EnrolRequest) -> Result<Member, EnrolError> {
    let request = &request;
    let origin = Origin {
        actor: Actor::Host(request.runner_id.clone()),
        address: caller.address,
        request_id: caller.request_id,
        standing: None,
    };
    let counted = &Counted::not_yet(&app.joins);
    carry_out(app, &origin, |now| {
        Box::pin(async move {
            let attempt = decide(app, caller, request, counted, now).await?;
            if matches!(attempt, Attempt::Settled(_)) {
                counted.give_back();
            }
            Ok(attempt)
        })
    })
    .await
    .inspect_err(|error| counted.ended_by(error))
}

async fn decide(
    app: &App,
    caller: Caller,
    request: &EnrolRequest,
    counted: &Counted<'_>,
    now: Timestamp,
) -> Result<Attempt<Member>, EnrolError> {
    if let Some(host) = already_known(app, caller, request).await? {
        return Ok(Attempt::Settled(host));
    }
    match new_member(app, caller, request, counted, now).await {
        Err(EnrolError::Unfinished(error)) => Err(error.into()),
        // The same host may have come in while this was decided: it gets the same answer.
        Err(refused) => match already_known(app, caller, request).await? {
            Some(host) => Ok(Attempt::Settled(host)),
            None => Err(refused),
        },
        decided => decided,
    }
}

/// The host that holds this key, if it is a member and asks for what it asked for then.
async fn already_known(
    app: &App,
    caller: Caller,
    request: &EnrolRequest,
) -> Result<Option<Member>, EnrolError> {
    let Some(registered) = member_with(app, caller.key).await? else { return Ok(None) };
    if registered != request.runner_id {
        let requested = request.runner_id.clone();
        return Err(EnrolError::KeyInUse { registered, requested });
    }
    let stored = StoredMember::read(&*app.store, &registered).await?;
    let Some(stored) = stored.filter(|it| it.member.key == caller.key) else {
        // Removed or replaced in between; else the records do not belong together.
        member_with(app, caller.key).await?;
        return Err(StoreError::Failed(format!("{registered} has no record")).into());
    };
    let (host, revision) = (stored.member, stored.revision);
    // Who asks for none leaves them as they are.
    if !request.roles.is_empty() && host.roles != request.roles {
        let (today, requested) = (host.roles, request.roles.clone());
        return Err(EnrolError::RolesDiffer { today, requested });
    }
    // Its session begins with the answer.
    app.registry.caught_up(revision).await;
    Ok(Some(host))
}

/// Whose this key is; an error if that host was removed.
async fn member_with(app: &App, key: KeyId) -> Result<Option<RunnerId>, EnrolError> {
    let Some((record, _)) = holder_of(&*app.store, key).await? else { return Ok(None) };
    match record {
        KeyRecord::Host { runner_id } => Ok(Some(runner_id)),
        KeyRecord::Removed { runner_id, at } => Err(EnrolError::Removed { runner_id, at }),
    }
}

async fn new_member(
    app: &App,
    caller: Caller,
    request: &EnrolRequest,
    counted: &Counted<'_>,
    now: Timestamp,
) -> Result<Attempt<Member>, EnrolError> {
    let (token, token_version) = admit(app, request, now).await?;
    if request.runner_id.is_reserved() {
        return Err(EnrolError::RunnerIdReserved(request.runner_id.clone()));
    }
    if let Some(address) = request.runner_id.other_spelling() {
        return Err(EnrolError::RunnerIdAddress(request.runner_id.clone(), address));
    }
    check_facts(&request.facts, &request.facts_hash)?;
    let token_op = Op::Check { path: TokenRecord::path(token.id), version: token_version };
    let used = UseRecord { runner_id: request.runner_id.clone(), key: caller.key, at: now };
    if let Some(known) = StoredMember::read(&*app.store, &request.runner_id).await? {
        if request.replace {
            let host = member(caller, request, &token, now);
            let ops = vec![token_op, use_of(app, &token, &used).await?];
            let replaced = replace(app, known, host, &token, ops, now).await?;
            counted.count(token.id)?;
            return Ok(replaced);
        }
        return Err(taken_by(&known.member, caller, request));
    }
    // Of two that come at once both may get in, which does no harm.
    if let Some(known) = app.registry.alike(&request.runner_id) {
        return Err(taken_by(&known, caller, request));
    }
    let use_op = use_of(app, &token, &used).await?;
    counted.count(token.id)?;
    let host = member(caller, request, &token, now);
    let key = KeyRecord::Host { runner_id: host.runner_id.clone() };
    let mut ops = vec![token_op, use_op, create(KeyRecord::path(&caller.key), &key)];
    ops.extend(host.creations());
    let change = Change {
        ops,
        action: "host.join",
        room: Room::Ordinary,
        subject: host.runner_id.to_string(),
        before: json!(null),
        after: host.in_audit(),
    };
    Ok(Attempt::Commit(change, host))
}

fn taken_by(known: &Member, caller: Caller, request: &EnrolRequest) -> EnrolError {
    let (runner_id, requested) = (known.runner_id.clone(), request.runner_id.clone());
    if runner_id != requested {
        let (known_ip, known_key) = (known.facts.host_ip, known.key);
        return EnrolError::RunnerIdAlike { runner_id, known_ip, known_key, requested };
    }
    EnrolError::RunnerIdTaken {
        runner_id,
        known_ip: known.facts.host_ip,
        known_key: known.key,
        new_ip: request.facts.host_ip,
        new_key: caller.key,
    }
}

/// The host that comes in with this request.
fn member(caller: Caller, request: &EnrolRequest, token: &TokenRecord, now: Timestamp) -> Member {
    let joined = Joined {
        at: now,
        roles: request.roles.clone(),
        token: Some(token.id),
        source_address: caller.address,
        overridden: known_codes(&request.overridden),
        replaced: None,
    };
    let (facts, facts_hash) = (request.facts.clone(), request.facts_hash.clone());
    Member::joining(
        IdentityRecord { runner_id: request.runner_id.clone(), key: caller.key, joined },
        FactsRecord { facts, facts_hash },
    )
}

/// Those of `names` that are codes of this version, each once.
fn known_codes(names: &[String]) -> Vec<String> {
    let mut known: Vec<Code> = Vec::new();
    for code in names.iter().filter_map(|name| Code::from_name(name)) {
        if !known.contains(&code) {
            known.push(code);
        }
    }
    known.iter().map(|code| code.name().to_owned()).collect()
}

/// Whether the token lets this request in, now; its record and the version to hold on to.
async fn admit(
    app: &App,
    request: &EnrolRequest,
    now: Timestamp,
) -> Result<(TokenRecord, u64), EnrolError> {
    // No reason is told before the signature holds.
    let VerifiedToken { claims, text_digest } = UnverifiedToken::parse(request.token.0.expose())
        .ok()
        .and_then(|token| app.cluster.verify(&token).ok())
        .ok_or(EnrolError::TokenInvalid)?;
    let stored = app.store.get(&TokenRecord::path(claims.id)).await?;
    let stored = stored.ok_or(EnrolError::TokenInvalid)?;
    let token: TokenRecord = decode(&stored)?;
    if token.text_digest != text_digest {
        return Err(EnrolError::TokenInvalid);
    }
    if let Some(revocation) = &token.revoked {
        return Err(EnrolError::TokenRevoked(revocation.at));
    }
    if let Some(expired_at) = token.expires_at
        && now >= expired_at
    {
        return Err(EnrolError::TokenExpired { expired_at, now });
    }
    let beyond = request.roles.beyond(&token.roles);
    if !beyond.is_empty() {
        return Err(EnrolError::RolesExceeded { beyond, allowed: token.roles });
    }
    let unavailable = roles_of_the_first_host(&request.roles);
    if !unavailable.is_empty() {
        return Err(EnrolError::RoleNotAvailable(unavailable));
    }
    Ok((token, stored.version))
}

#[cfg(test)]
mod tests;
