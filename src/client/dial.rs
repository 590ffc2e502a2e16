use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{
    model::{Code, CoordinatorAddress, Failure, Fingerprint, HOSTS_PORT},
    rt,
    server::API_PORT,
    tls::{KeyError, PinVerifier, PrivateKey, TrustError, client_config},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Why nobody could be talked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    #[error("the name {name} was not resolved: {reason}")]
    NameNotResolved { name: String, reason: String },
    #[error("{0} refused the connection")]
    ConnectionRefused(CoordinatorAddress),
    #[error("{0} did not answer in time")]
    Timeout(CoordinatorAddress),
    #[error("{address} cannot be reached: {reason}")]
    Network { address: CoordinatorAddress, reason: String },
    #[error("{address} closed the connection: {reason}")]
    Closed { address: CoordinatorAddress, reason: String },
    #[error("{address} does not speak TLS as a coordinator does: {reason}")]
    NotTls { address: CoordinatorAddress, reason: String },
    #[error(transparent)]
    Untrusted(#[from] TrustError),
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        let code = match error {
            DialError::NameNotResolved { .. } => Code::CoordinatorNameNotResolved,
            DialError::ConnectionRefused(_) => Code::CoordinatorConnectionRefused,
            DialError::Timeout(_) => Code::CoordinatorTimeout,
            DialError::Network { .. } | DialError::Closed { .. } => Code::CoordinatorUnreachable,
            DialError::NotTls { .. } => Code::CoordinatorNotTls,
            DialError::Untrusted(error) => return error.into(),
        };
        let failure = Failure::new(code, error.to_string());
        match &error {
            DialError::ConnectionRefused(address) => failure.with_fix(format!(
                "Check that the coordinator runs ('ece-agent status' there), and that port {} is meant: hosts use {HOSTS_PORT}, the API {API_PORT}.",
                address.port()
            )),
            DialError::Timeout(address) => {
                let (host, port) = (address.host(), address.port());
                failure.with_fix(format!(
                    "Check the route and the firewall for port {port} ('nc -vz {host} {port}')."
                ))
            }
            _ => failure,
        }
    }
}

/// Makes connections that trust the pin and nothing else, around every proxy.
pub struct Dialler {
    pub(super) http: reqwest::Client,
    verifier: Arc<PinVerifier>,
}

impl Dialler {
    pub fn new(verifier: Arc<PinVerifier>, key: Option<&PrivateKey>) -> Result<Self, KeyError> {
        Self::from_address(None, verifier, key)
    }

    /// The same from one of this machine's addresses. A simulation of many machines gives each its
    /// own; otherwise the route decides.
    pub fn from_address(
        from: Option<IpAddr>,
        verifier: Arc<PinVerifier>,
        key: Option<&PrivateKey>,
    ) -> Result<Self, KeyError> {
        let tls = client_config(verifier.clone(), key)?;
        let http = reqwest::Client::builder()
            .local_address(from)
            .tls_backend_preconfigured(tls)
            .dns_resolver(NamedErrors)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_keepalive(rt::KEEPALIVE_IDLE)
            .tcp_keepalive_interval(rt::KEEPALIVE_INTERVAL)
            .tcp_keepalive_retries(rt::KEEPALIVE_PROBES)
            .tcp_user_timeout(rt::UNACKNOWLEDGED)
            // A token must go to the one who was checked, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the TLS configuration is complete");
        Ok(Self { http, verifier })
    }

    pub fn verifier(&self) -> &Arc<PinVerifier> {
        &self.verifier
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct NameError {
    reason: String,
}

/// The system's resolver, with an error that says that it was the name.
struct NamedErrors;

impl Resolve for NamedErrors {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(found) => Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs),
                Err(error) => {
                    let error = NameError { reason: error.to_string() };
                    Err(Box::new(error) as Box<dyn Error + Send + Sync>)
                }
            }
        })
    }
}

/// The CA that a server says it is of, read from a handshake that is broken off: nothing is sent
/// after it. It proves nothing, until somebody who knows has compared it.
///
/// # Errors
/// Why nobody could be talked to, or that nothing which can be a cluster's was shown.
pub async fn shown_ca(address: &CoordinatorAddress) -> Result<Fingerprint, DialError> {
    let nothing = |reason: String| DialError::NotTls { address: address.clone(), reason };
    let nobody = Arc::new(PinVerifier::new([], []));
    let dialler = Dialler::new(nobody, None).map_err(|error| nothing(error.to_string()))?;
    match dialler.http.get(address.base_url()).send().await {
        Ok(_) => Err(nothing("a certificate that nobody vouches for was taken".into())),
        Err(error) => match classify(address, &error) {
            DialError::Untrusted(TrustError::PinMismatch { shown, .. }) if shown.len() > 1 => {
                Ok(shown[shown.len() - 1])
            }
            DialError::Untrusted(TrustError::PinMismatch { .. }) => {
                Err(nothing("its certificate comes without the one of a CA".into()))
            }
            other => Err(other),
        },
    }
}

/// The first address of a coordinator's name.
pub async fn resolve(address: &CoordinatorAddress) -> Result<SocketAddr, DialError> {
    resolve_all(address).await.map(|found| found[0])
}

/// The addresses of a coordinator's name; never none.
pub async fn resolve_all(address: &CoordinatorAddress) -> Result<Vec<SocketAddr>, DialError> {
    let not_resolved =
        |reason| DialError::NameNotResolved { name: address.host().to_owned(), reason };
    let lookup = tokio::net::lookup_host((address.host(), address.port()));
    let found: Vec<SocketAddr> = tokio::time::timeout(RESOLVE_TIMEOUT, lookup)
        .await
        .map_err(|_| not_resolved("name resolution did not answer in time".into()))?
        .map_err(|error| not_resolved(error.to_string()))?
        .collect();
    match found.is_empty() {
        true => Err(not_resolved("it has no addresses".into())),
        false => Ok(found),
    }
}

/// What lies at the bottom of a failed request.
pub(super) fn classify(address: &CoordinatorAddress, error: &reqwest::Error) -> DialError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    let mut deepest = error.to_string();
    let mut is_closed = false;
    while let Some(current) = source {
        if let Some(NameError { reason }) = current.downcast_ref() {
            let name = address.host().to_owned();
            return DialError::NameNotResolved { name, reason: reason.clone() };
        }
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return classify_tls(address, tls);
        }
        if let Some(io) = current.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::ConnectionRefused {
                return DialError::ConnectionRefused(address.clone());
            }
            if io.kind() == io::ErrorKind::TimedOut {
                return DialError::Timeout(address.clone());
            }
            use io::ErrorKind::*;
            is_closed |= matches!(
                io.kind(),
                ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof
            );
            if let Some(inner) = io.get_ref() {
                // What is wrapped in it is not its source, as far as the library goes.
                source = Some(inner);
                continue;
            }
        }
        deepest = current.to_string();
        source = current.source();
    }
    if error.is_timeout() {
        return DialError::Timeout(address.clone());
    }
    let address = address.clone();
    match is_closed {
        true => DialError::Closed { address, reason: deepest },
        false => DialError::Network { address, reason: deepest },
    }
}

fn classify_tls(address: &CoordinatorAddress, error: &rustls::Error) -> DialError {
    if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = error
        && let Some(trust) = other.0.downcast_ref::<TrustError>()
    {
        return DialError::Untrusted(trust.clone());
    }
    DialError::NotTls { address: address.clone(), reason: error.to_string() }
}
