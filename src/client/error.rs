use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::dial::{DialError, classify};
use crate::{
    model::{Code, CoordinatorAddress, Failure, HOSTS_PORT},
    wire::FailedReply,
};

/// Why a request to a coordinator brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The coordinator said no.
    #[error("{message} [{code}]")]
    Refused { status: u16, code: String, message: String, fix: Option<String> },
    /// The coordinator says why it cannot do what it was asked; it may be able to later.
    #[error("{message} ({code})")]
    Unable { status: u16, code: String, message: String, fix: Option<String> },
    #[error("the coordinator at {0} has more to do than it takes on at once")]
    Busy(CoordinatorAddress),
    #[error(
        "the coordinator at {address} met an error of its own (status {status}, request id {request_id})"
    )]
    Failed { address: CoordinatorAddress, status: u16, request_id: String },
    #[error(
        "a coordinator answers at {0}, but does not serve hosts there; that is port {HOSTS_PORT}"
    )]
    NotForHosts(CoordinatorAddress),
    #[error("what {address} answered is not a coordinator's answer: {reason}")]
    Protocol { address: CoordinatorAddress, reason: String },
}

impl ClientError {
    /// Whether the coordinator refused with this code.
    pub fn is(&self, code: Code) -> bool {
        matches!(self, Self::Refused { code: refused, .. } if refused == code.name())
    }

    /// Whether somebody was there who took the connection, whatever became of it.
    pub fn is_of_one_who_is_there(&self) -> bool {
        use DialError::*;
        !matches!(
            self,
            Self::Dial(NameNotResolved { .. } | ConnectionRefused(_) | Timeout(_) | Network { .. })
        )
    }

    /// Whether the request certainly did not reach a coordinator.
    pub fn was_not_delivered(&self) -> bool {
        use DialError::*;
        matches!(
            self,
            Self::Dial(
                NameNotResolved { .. } | ConnectionRefused(_) | NotTls { .. } | Untrusted(_)
            ) | Self::NotForHosts(_)
        )
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Dial(error) => error.into(),
            ClientError::Refused { code, message, fix, .. } => {
                Failure::from_wire(&code, message, fix)
            }
            ClientError::Unable { status, code, message: reason, fix } => {
                match (Code::from_name(&code), status) {
                    (Some(_), _) => Failure::from_wire(&code, reason, fix),
                    (None, 503) => Failure::new(Code::CoordinatorBusy, message),
                    (None, _) => Failure::new(Code::CoordinatorFailed, message),
                }
            }
            ClientError::Busy(_) => Failure::new(Code::CoordinatorBusy, message),
            ClientError::Failed { .. } => Failure::new(Code::CoordinatorFailed, message),
            ClientError::NotForHosts(address) => {
                let address = address.with_port(HOSTS_PORT);
                Failure::new(Code::CoordinatorProtocol, message).with_fix(format!(
                    "Leave the port out, or name {HOSTS_PORT}: --coordinator-host {address}."
                ))
            }
            ClientError::Protocol { .. } => Failure::new(Code::CoordinatorProtocol, message),
        }
    }
}

/// Reads the answer to a request, whatever became of it. A longer one than `longest` bytes is not a
/// coordinator's.
pub(super) async fn read<T: DeserializeOwned>(
    address: &CoordinatorAddress,
    sent: Result<Response, reqwest::Error>,
    longest: usize,
) -> Result<T, ClientError> {
    let mut response = sent.map_err(|error| classify(address, &error))?;
    let status = response.status();
    let request_id = response
        .headers()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or("unknown")
        .to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(address, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() > longest {
            let reason = format!("it is longer than {longest} bytes");
            return Err(ClientError::Protocol { address: address.clone(), reason });
        }
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| {
            let reason = format!("status {} with a body of another kind", status.as_u16());
            ClientError::Protocol { address: address.clone(), reason }
        });
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ClientError::Busy(address.clone()));
    }
    let reply: Option<FailedReply> = serde_json::from_slice(&body).ok();
    let said = reply.and_then(|reply| reply.errors.into_iter().next());
    if status.is_server_error() {
        let (address, status) = (address.clone(), status.as_u16());
        return Err(match said {
            Some(error) if error.fix.is_some() || matches!(status, 501 | 503 | 507) => {
                let code = error.cause_code.unwrap_or(error.code);
                ClientError::Unable { status, code, message: error.message, fix: error.fix }
            }
            _ if status == 503 => ClientError::Busy(address),
            _ => ClientError::Failed { address, status, request_id },
        });
    }
    match said {
        Some(error) => Err(ClientError::Refused {
            status: status.as_u16(),
            code: error.code,
            message: error.message,
            fix: error.fix,
        }),
        None => {
            let reason = format!("status {} without a reason", status.as_u16());
            Err(ClientError::Protocol { address: address.clone(), reason })
        }
    }
}
