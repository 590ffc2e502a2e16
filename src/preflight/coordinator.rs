use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::timeout};

use super::{Context, Outcome, Severity};
use crate::{
    client::{DialError, Dialler, HttpCoordinator, resolve_all},
    model::{Code, CoordinatorAddress, Exit, Failure},
    rt::Timestamp,
    tls::{PinVerifier, PrivateKey},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The steps on the way to a coordinator, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReachStep {
    Resolve,
    Connect,
    Tls,
    Trust,
    Http,
}

/// What became of trying to reach a coordinator as a host does.
#[derive(Debug, Clone)]
pub struct Reach {
    pub coordinator: CoordinatorAddress,
    /// The address that answered.
    pub address: Option<SocketAddr>,
    /// This machine's clock minus the coordinator's, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    pub took: Duration,
    pub failed: Option<(ReachStep, Failure)>,
}

impl ReachStep {
    pub fn name(self) -> &'static str {
        match self {
            ReachStep::Resolve => "resolve",
            ReachStep::Connect => "connect",
            ReachStep::Tls => "tls",
            ReachStep::Trust => "trust",
            ReachStep::Http => "http",
        }
    }
}

/// Goes all the way to the coordinator, without a token.
pub async fn reach(
    coordinator: &CoordinatorAddress,
    verifier: Arc<PinVerifier>,
    now: impl Fn() -> Timestamp,
) -> Reach {
    let started = Instant::now();
    let mut reach = Reach {
        coordinator: coordinator.clone(),
        address: None,
        clock_ahead_ms: None,
        took: Duration::ZERO,
        failed: None,
    };
    reach.failed = go(&mut reach, verifier, now).await.err();
    reach.took = started.elapsed();
    reach
}

async fn go(
    reach: &mut Reach,
    verifier: Arc<PinVerifier>,
    now: impl Fn() -> Timestamp,
) -> Result<(), (ReachStep, Failure)> {
    let coordinator = &reach.coordinator;
    let addresses = resolve_all(coordinator)
        .await
        .map_err(|error| (ReachStep::Resolve, Failure::from(error)))?;
    let address = connect(coordinator, &addresses)
        .await
        .map_err(|error| (ReachStep::Connect, Failure::from(error)))?;
    reach.address = Some(address);
    // Hosts are let in with a key only; one that nobody knows is enough to ask for the time.
    let internal = |error: crate::tls::KeyError| {
        (ReachStep::Tls, Failure::new(Code::Internal, error.to_string()))
    };
    let key = PrivateKey::generate().map_err(internal)?;
    let dialler = Dialler::new(verifier, Some(&key)).map_err(internal)?;
    let asked = now();
    let hello = HttpCoordinator::new(coordinator.clone(), Arc::new(dialler)).hello().await;
    let hello = hello.map_err(|error| {
        let failure = Failure::from(error);
        (step_of(&failure), failure)
    })?;
    let halfway = (asked.unix_millis() + now().unix_millis()) / 2;
    reach.clock_ahead_ms = Some(halfway - hello.now_ms);
    Ok(())
}

async fn connect(
    coordinator: &CoordinatorAddress,
    addresses: &[SocketAddr],
) -> Result<SocketAddr, DialError> {
    let mut last = DialError::Timeout(coordinator.clone());
    for address in addresses {
        last = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(*address),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                DialError::ConnectionRefused(coordinator.clone())
            }
            Ok(Err(error)) => {
                DialError::Network { address: coordinator.clone(), reason: error.to_string() }
            }
            Err(_) => DialError::Timeout(coordinator.clone()),
        };
    }
    Err(last)
}

fn step_of(failure: &Failure) -> ReachStep {
    if failure.exit() == Exit::NotTrusted {
        ReachStep::Trust
    } else if failure.is(Code::CoordinatorNotTls) {
        ReachStep::Tls
    } else {
        ReachStep::Http
    }
}

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let reach = context.reach?;
    let code = Code::PreflightCoordinator;
    let at = reach.address.map_or(String::new(), |address| format!(" ({address})"));
    let ms = reach.took.as_millis();
    let Some((step, failure)) = &reach.failed else {
        let found = format!("{}{at} answered as a coordinator after {ms} ms", reach.coordinator);
        return Some(Outcome::of(code, Severity::Ok, found, ""));
    };
    let found = format!(
        "{}{at} was not reached, at the step '{}', after {ms} ms: {failure}",
        reach.coordinator,
        step.name()
    );
    let mut outcome = Outcome::of(code, Severity::Error, found, "").with_fix(failure.fix.clone());
    outcome.cause = Some(failure.clone());
    Some(outcome)
}
