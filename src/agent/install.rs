//! Joining a cluster, phase by phase. Each phase is a type that only the one before it gives, and
//! each can be repeated: killed anywhere, the same command goes on.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use super::{
    checks::{combine, find_coordinator},
    facts::HostIp,
    host_start::{HostStart, Looked},
    identity::{Identity, begin_membership},
    journal::{Journal, Phase},
    key::{load_or_make_key, renew_key},
    progress::Step,
    state::{not_writable, prepare_state_dir},
};
use crate::{
    client::{ClientError, CoordinatorClient, Dialler, HttpCoordinator},
    config::{JoinOptions, JoinRoute},
    model::{Code, CoordinatorAddress, Failure, RoleSet, RunnerId},
    rt::Timestamp,
    tls::{PinVerifier, PrivateKey},
    token::{LocalRefusal, UnverifiedToken},
    wire::hosts::{EnrolReply, EnrolRequest, Facts, PROTOCOL, SecretText},
};

/// For what is said of a host that reached nobody.
const UNKNOWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Everything a join begins with.
pub struct JoinStart<'a> {
    pub host: HostStart<'a>,
    pub options: JoinOptions,
    /// How long to try coordinators that cannot be reached.
    pub patience: Duration,
    pub place: Place,
    pub key: KeyWish,
}

/// The place in the cluster that a host asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    New,
    /// That of a host with the same runner id which is gone.
    OfALostHost,
}

/// What becomes of a key that the host has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWish {
    AsItIs,
    /// Another one if the cluster has removed the host that it was of.
    AnotherIfRemoved,
    /// Another one: it is known that this one is to be given up.
    Another,
}

/// The token can let this host in, as far as can be known here.
struct TokenVerified<'a> {
    start: JoinStart<'a>,
    token: UnverifiedToken,
    /// The coordinator to ask first is its first.
    route: JoinRoute,
    journal: Option<Journal>,
}

/// The machine can be what it is asked to be, and it is known what it is.
struct PreflightPassed<'a> {
    verified: TokenVerified<'a>,
    runner_id: RunnerId,
    facts: Facts,
    overridden: Vec<Code>,
}

/// The host is a member, and its identity is on disk.
#[derive(Debug)]
pub struct Enrolled {
    pub identity: Identity,
    pub facts: Facts,
}

impl<'a> JoinStart<'a> {
    /// Joins, up to the point where the daemon takes over.
    pub async fn join(self, now: Timestamp) -> Result<Enrolled, Failure> {
        let verified = self.verify_token(now)?;
        let passed = verified.preflight().await?;
        passed.enrol().await
    }

    fn verify_token(self, now: Timestamp) -> Result<TokenVerified<'a>, Failure> {
        self.host.progress.started(Step::Validate);
        let token = self.options.token.says()?.clone();
        let journal = Journal::load(self.host.state)
            .map_err(|error| not_writable(self.host.state.path(), error))?;
        match token.check_locally(&self.options.roles, now) {
            Ok(()) => {}
            // The coordinator may have let the host in already: then the answer is waiting.
            Err(error @ LocalRefusal::Expired { .. })
                if journal.as_ref().is_some_and(|it| it.phase >= Phase::EnrolmentSent) =>
            {
                self.host.progress.warning(&error.into());
            }
            Err(error) => return Err(error.into()),
        }
        let claims = token.claims();
        let route = self.options.route(claims)?;
        let kind = if claims.is_persistent() { "persistent" } else { "ephemeral" };
        let roles = RoleSet::clone(&self.options.roles);
        self.host
            .progress
            .finished(Step::Validate, &format!("{kind} token {}, roles {roles}", claims.id));
        Ok(TokenVerified { start: self, token, route, journal })
    }
}

impl<'a> TokenVerified<'a> {
    async fn preflight(mut self) -> Result<PreflightPassed<'a>, Failure> {
        let start = &self.start.host;
        start.progress.started(Step::Preflight);
        prepare_state_dir(start.state)?;
        let patience = self.start.patience;
        let reach = find_coordinator(&self.route, patience, start.progress)
            .await
            .ok_or_else(|| Failure::new(Code::Internal, "no coordinator is named"))?;
        let host_ip = match reach.address {
            Some(towards) => {
                HostIp::choose(&start.settings, &*start.machine, towards).map_err(|error| {
                    let message = format!("no route to {towards}: {error}");
                    Failure::new(Code::CoordinatorUnreachable, message)
                })?
            }
            None => HostIp(start.settings.host_ip.unwrap_or(UNKNOWN_ADDRESS)),
        };
        let coordinator = reach.coordinator.clone();
        let looked = start.look(&self.start.options.roles, host_ip, Some(reach)).await?;
        let Looked { facts, overridden } = looked;
        // The one that answered is asked first.
        let coordinators = &mut self.route.coordinators;
        if let Some(at) = coordinators.iter().position(|it| *it == coordinator) {
            coordinators[..=at].rotate_right(1);
        }
        // A host that was removed may come back under another name.
        let journal = self.journal.as_ref().filter(|_| self.start.key == KeyWish::AsItIs);
        let runner_id =
            Journal::settle_runner_id(journal, start.runner_id.as_ref(), facts.host_ip)?;
        let memory_mb = facts.memory_bytes >> 20;
        let result = format!(
            "host IP {}, {} CPUs, {memory_mb} MB of memory, runner id {runner_id}",
            facts.host_ip, facts.cpus
        );
        start.progress.finished(Step::Preflight, &result);
        Ok(PreflightPassed { verified: self, runner_id, facts, overridden })
    }
}

impl PreflightPassed<'_> {
    async fn enrol(self) -> Result<Enrolled, Failure> {
        let (start, wish) = (&self.verified.start.host, self.verified.start.key);
        start.progress.started(Step::Key);
        let key = match wish {
            KeyWish::Another => renew_key(start.state)?,
            KeyWish::AsItIs | KeyWish::AnotherIfRemoved => load_or_make_key(start.state)?,
        };
        let reached = self.verified.journal.as_ref().map_or(Phase::KeyMade, |it| it.phase);
        self.note(reached)?;
        start.progress.finished(Step::Key, &key.fingerprint().to_string());

        start.progress.started(Step::Enrol);
        let (reply, address) = match self.ask_to_join(&key).await {
            Err(failure) if failure.is(Code::HostRemoved) && wish != KeyWish::AsItIs => {
                let key = renew_key(start.state)?;
                self.ask_to_join(&key).await?
            }
            other => other?,
        };
        let identity = Identity::new(
            reply.runner_id,
            reply.cluster_id,
            self.facts.host_ip,
            reply.roles,
            false,
            start.settings.clone(),
            self.verified.route.coordinators.clone(),
            reply.coordinators,
            reply.pins,
            reply.ca_certificate,
        );
        begin_membership(start.state, &identity)?;
        self.note(Phase::Enrolled)?;
        start.progress.finished(Step::Enrol, &format!("let in by {address}"));
        Ok(Enrolled { identity, facts: self.facts })
    }

    fn note(&self, phase: Phase) -> Result<(), Failure> {
        let (start, state) = (&self.verified.start, self.verified.start.host.state);
        let journal = Journal {
            phase,
            runner_id: self.runner_id.clone(),
            roles: start.options.roles.clone(),
            storage_path: Some(start.host.settings.storage_path.clone()),
        };
        journal.save(state).map_err(|error| not_writable(&state.journal(), error))
    }

    /// Asks each coordinator in turn until one answers.
    async fn ask_to_join(
        &self,
        key: &PrivateKey,
    ) -> Result<(EnrolReply, CoordinatorAddress), Failure> {
        let verified = &self.verified;
        let verifier = Arc::new(PinVerifier::new(verified.route.pins.iter().copied(), []));
        let dialler = Dialler::new(verifier, Some(key))
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let dialler = Arc::new(dialler);
        let request = EnrolRequest {
            protocol: PROTOCOL,
            runner_id: self.runner_id.clone(),
            roles: verified.start.options.roles.clone(),
            token: SecretText(verified.token.text().clone()),
            facts: self.facts.clone(),
            facts_hash: self.facts.hash(),
            replace: verified.start.place == Place::OfALostHost,
            overridden: self.overridden.iter().map(|code| code.name().to_owned()).collect(),
        };
        // From here on a coordinator may have let the host in, whether its answer arrives or not.
        self.note(Phase::EnrolmentSent)?;
        let before = verified.journal.as_ref().map_or(Phase::KeyMade, |it| it.phase);
        let mut failures = Vec::new();
        let mut delivered = false;
        for address in &verified.route.coordinators {
            let coordinator = HttpCoordinator::new(address.clone(), dialler.clone());
            match coordinator.enrol(&request).await {
                Ok(reply) => return Ok((reply, address.clone())),
                Err(error @ ClientError::Refused { .. }) => {
                    let known = KNOWN_TO_THE_CLUSTER.into_iter().any(|code| error.is(code));
                    self.note(if known { Phase::EnrolmentSent } else { Phase::KeyMade })?;
                    failures.push(self.with_own_name(error.into()));
                    return Err(combine_all(failures));
                }
                Err(error) => {
                    delivered |= !error.was_not_delivered();
                    failures.push(error.into());
                }
            }
        }
        if !delivered {
            self.note(before)?;
        }
        Err(combine_all(failures))
    }
}

impl PreflightPassed<'_> {
    /// What is to be done about a name that another host has, in commands of this host's.
    fn with_own_name(&self, failure: Failure) -> Failure {
        let id = &self.runner_id;
        let delete = format!("on the first host run 'ece-agent host delete {id}'");
        let fix = if failure.is(Code::JoinRunnerIdTaken) {
            format!(
                "If that host is gone, {delete} and repeat this command, or repeat it with --replace and the token that the lost host joined with, if that was made with --allow-replace. If it is not gone, choose another name with --runner-id."
            )
        } else if failure.is(Code::JoinReplaceRefused) {
            format!(
                "Stop the old host if it runs, and use the token that it joined with, if that was made with --allow-replace: 'ece-agent token list' on the first host shows it. Without such a token {delete}, and repeat this command without --replace."
            )
        } else {
            return failure;
        };
        failure.with_fix(fix)
    }
}

fn combine_all(failures: Vec<Failure>) -> Failure {
    let nobody = || Failure::new(Code::Internal, "no coordinator was asked");
    combine(failures).unwrap_or_else(nobody)
}

/// Refusals of a host that the cluster knows already.
const KNOWN_TO_THE_CLUSTER: [Code; 3] =
    [Code::JoinRolesDiffer, Code::JoinKeyInUse, Code::HostRemoved];
