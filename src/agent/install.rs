//! Joining a cluster, phase by phase. Each phase is a type that only the one before it gives, and
//! each can be repeated: killed anywhere, the same command goes on.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use super::{
    checks::{combine, find_coordinator, proxies_in_environment, run_checks},
    facts::{HostIp, gather_facts},
    identity::{Identity, begin_membership},
    journal::{Journal, Phase},
    key::{load_or_make_key, not_writable, prepare_state_dir, renew_key},
    progress::{Progress, Step},
};
use crate::{
    client::{ClientError, CoordinatorClient, Dialler, HttpCoordinator},
    config::{HostSettings, JoinOptions, StateDir, only_address},
    host::Machine,
    model::{Code, CoordinatorAddress, Failure, Fingerprint, RoleSet, RunnerId},
    preflight,
    rt::Timestamp,
    tls::{PinVerifier, PrivateKey},
    token::{LocalRefusal, UnverifiedToken},
    wire::hosts::{EnrolReply, EnrolRequest, Facts, PROTOCOL, SecretText},
};

/// For what is said of a host that reached nobody.
const UNKNOWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Everything a join begins with.
pub struct JoinStart<'a> {
    pub options: JoinOptions,
    pub settings: HostSettings,
    pub runner_id: Option<RunnerId>,
    pub state: &'a StateDir,
    pub machine: &'a dyn Machine,
    pub progress: &'a dyn Progress,
    /// What production needs is only a warning.
    pub relaxed: bool,
    /// The daemon is going to be a service.
    pub as_service: bool,
    /// Checks not to make.
    pub skip: &'a [Code],
    /// How long to try coordinators that cannot be reached.
    pub patience: Duration,
    /// Takes the place of a host with this runner id that is gone.
    pub replace: bool,
    /// If the host was removed from its cluster or is a copy of another, it gets a new key.
    pub new_identity: bool,
    /// It is known already that the host's key, if it has one, is to be given up.
    pub fresh_key: bool,
}

/// The token can let this host in, as far as can be known here.
struct TokenVerified<'a> {
    start: JoinStart<'a>,
    token: UnverifiedToken,
    coordinators: Vec<CoordinatorAddress>,
    pins: Vec<Fingerprint>,
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
        self.progress.started(Step::Validate);
        let token = UnverifiedToken::parse(self.options.token.0.expose())?;
        let journal =
            Journal::load(self.state).map_err(|error| not_writable(self.state.path(), error))?;
        match token.check_locally(&self.options.roles, now) {
            Ok(()) => {}
            // The coordinator may have let the host in already: then the answer is waiting.
            Err(error @ LocalRefusal::Expired { .. })
                if journal.as_ref().is_some_and(|it| it.phase >= Phase::EnrolmentSent) =>
            {
                self.progress.warning(&error.into());
            }
            Err(error) => return Err(error.into()),
        }
        let claims = token.claims();
        let coordinators = match &self.options.coordinators[..] {
            [] => claims.coordinators.clone(),
            given => given.to_vec(),
        };
        if coordinators.is_empty() {
            let message = "the roles token does not say where the coordinator is";
            return Err(
                Failure::new(Code::ConfigInvalid, message).with_fix("Add --coordinator-host HOST.")
            );
        }
        let mut pins = self.options.pins.clone();
        if pins.is_empty() {
            pins = claims.pins.clone();
        }
        if pins.is_empty() {
            let message = "nothing says which coordinator is the right one: the roles token carries no pin, and neither --ca-cert nor --ca-fingerprint was given";
            return Err(Failure::new(Code::TrustNoPin, message));
        }
        let kind = if claims.is_persistent() { "persistent" } else { "ephemeral" };
        let roles = RoleSet::clone(&self.options.roles);
        self.progress
            .finished(Step::Validate, &format!("{kind} token {}, roles {roles}", claims.id));
        Ok(TokenVerified { start: self, token, coordinators, pins, journal })
    }
}

impl<'a> TokenVerified<'a> {
    async fn preflight(mut self) -> Result<PreflightPassed<'a>, Failure> {
        let start = &self.start;
        start.progress.started(Step::Preflight);
        prepare_state_dir(start.state)?;
        let reach =
            find_coordinator(&self.coordinators, &self.pins, start.patience, start.progress)
                .await
                .ok_or_else(|| Failure::new(Code::Internal, "no coordinator is named"))?;
        let host_ip = match reach.address {
            Some(towards) => {
                HostIp::choose(&start.settings, start.machine, towards).map_err(|error| {
                    let message = format!("no route to {towards}: {error}");
                    Failure::new(Code::CoordinatorUnreachable, message)
                })?
            }
            None => HostIp(start.settings.host_ip.unwrap_or(UNKNOWN_ADDRESS)),
        };
        let overridden = run_checks(
            &preflight::Context {
                machine: start.machine,
                settings: &start.settings,
                roles: &start.options.roles,
                bind: only_address(host_ip.0),
                relaxed: start.relaxed,
                as_service: start.as_service,
                look_only: false,
                denied: None,
                installed: None,
                reach: Some(&reach),
                skip: start.skip,
                proxies: proxies_in_environment(),
            },
            start.progress,
        )?;
        // The one that answered is asked first.
        if let Some(at) = self.coordinators.iter().position(|it| *it == reach.coordinator) {
            self.coordinators[..=at].rotate_right(1);
        }
        let facts = gather_facts(&start.settings, start.machine, host_ip).map_err(|error| {
            Failure::new(Code::Internal, format!("this machine cannot be read: {error}"))
        })?;
        // A host that was removed may come back under another name.
        let journal = self.journal.as_ref().filter(|_| !start.new_identity);
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
        let start = &self.verified.start;
        start.progress.started(Step::Key);
        let key = match start.fresh_key {
            true => renew_key(start.state)?,
            false => load_or_make_key(start.state)?,
        };
        let reached = self.verified.journal.as_ref().map_or(Phase::KeyMade, |it| it.phase);
        self.note(reached)?;
        start.progress.finished(Step::Key, &key.fingerprint().to_string());

        start.progress.started(Step::Enrol);
        let (reply, address) = match self.ask_to_join(&key).await {
            Err(failure) if failure.is(Code::HostRemoved) && start.new_identity => {
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
            self.verified.coordinators.clone(),
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
        let start = &self.verified.start;
        let journal = Journal {
            phase,
            runner_id: self.runner_id.clone(),
            roles: start.options.roles.clone(),
        };
        journal.save(start.state).map_err(|error| not_writable(&start.state.journal(), error))
    }

    /// Asks each coordinator in turn until one answers.
    async fn ask_to_join(
        &self,
        key: &PrivateKey,
    ) -> Result<(EnrolReply, CoordinatorAddress), Failure> {
        let verified = &self.verified;
        let verifier = Arc::new(PinVerifier::new(verified.pins.iter().copied(), []));
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
            replace: verified.start.replace,
            overridden: self.overridden.iter().map(|code| code.name().to_owned()).collect(),
        };
        // From here on a coordinator may have let the host in, whether its answer arrives or not.
        self.note(Phase::EnrolmentSent)?;
        let before = verified.journal.as_ref().map_or(Phase::KeyMade, |it| it.phase);
        let mut failures = Vec::new();
        let mut delivered = false;
        for address in &verified.coordinators {
            let coordinator = HttpCoordinator::new(address.clone(), dialler.clone());
            match coordinator.enrol(&request).await {
                Ok(reply) => return Ok((reply, address.clone())),
                Err(error @ ClientError::Refused { .. }) => {
                    let known = KNOWN_TO_THE_CLUSTER.into_iter().any(|code| error.is(code));
                    self.note(if known { Phase::EnrolmentSent } else { Phase::KeyMade })?;
                    failures.push(error.into());
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

fn combine_all(failures: Vec<Failure>) -> Failure {
    let nobody = || Failure::new(Code::Internal, "no coordinator was asked");
    combine(failures).unwrap_or_else(nobody)
}

/// Refusals of a host that the cluster knows already.
const KNOWN_TO_THE_CLUSTER: [Code; 3] =
    [Code::JoinRolesDiffer, Code::JoinKeyInUse, Code::HostRemoved];
