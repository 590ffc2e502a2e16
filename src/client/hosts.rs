use std::{sync::Arc, time::Duration};

use super::{
    dial::Dialler,
    error::{ClientError, read},
};
use crate::{
    model::{CoordinatorAddress, SessionId},
    wire::EmptyResponse,
    wire::hosts::{
        ENROL_PATH, EnrolReply, EnrolRequest, HELLO_PATH, HelloReply, LEAVE_PATH, LeaveRequest,
        PROTOCOL, SESSION_PATH, SessionReply, SessionRequest,
    },
};

/// What a host is told is short, in bytes.
const MAX_REPLY: usize = 1 << 20;

const ENROL_TIMEOUT: Duration = Duration::from_secs(15);
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// A coordinator as a host talks to it.
#[async_trait::async_trait]
pub trait CoordinatorClient: Send + Sync {
    fn address(&self) -> &CoordinatorAddress;

    /// Asks to become a member. Safe to repeat.
    async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolReply, ClientError>;

    /// One poll of the session; the answer may take until `timeout`.
    async fn poll(
        &self,
        request: &SessionRequest,
        timeout: Duration,
    ) -> Result<SessionReply, ClientError>;
}

/// A coordinator on the network.
pub struct HttpCoordinator {
    address: CoordinatorAddress,
    dialler: Arc<Dialler>,
}

impl HttpCoordinator {
    pub fn new(address: CoordinatorAddress, dialler: Arc<Dialler>) -> Self {
        Self { address, dialler }
    }

    /// Asks a coordinator who it is; any key will do.
    pub async fn hello(&self) -> Result<HelloReply, ClientError> {
        let url = format!("{}{HELLO_PATH}", self.address.base_url());
        self.answer(self.dialler.http.get(url).timeout(HELLO_TIMEOUT)).await
    }

    /// Ends the membership of the host whose key this is. Safe to repeat: then it is refused as
    /// that of a removed host. Refused if another machine with this key is connected.
    pub async fn leave(
        &self,
        session: SessionId,
        boot_id: Option<String>,
    ) -> Result<(), ClientError> {
        let request = LeaveRequest { protocol: PROTOCOL, session: Some(session), boot_id };
        let EmptyResponse {} = self.post(LEAVE_PATH, &request, ENROL_TIMEOUT).await?;
        Ok(())
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.address.base_url());
        self.answer(self.dialler.http.post(url).json(body).timeout(timeout)).await
    }

    async fn answer<T: serde::de::DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ClientError> {
        read(&self.address, request.send().await, MAX_REPLY).await.map_err(|error| match error {
            ClientError::Refused { status: 404, .. } => {
                ClientError::NotForHosts(self.address.clone())
            }
            other => other,
        })
    }
}

#[async_trait::async_trait]
impl CoordinatorClient for HttpCoordinator {
    fn address(&self) -> &CoordinatorAddress {
        &self.address
    }

    async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolReply, ClientError> {
        self.post(ENROL_PATH, request, ENROL_TIMEOUT).await
    }

    async fn poll(
        &self,
        request: &SessionRequest,
        timeout: Duration,
    ) -> Result<SessionReply, ClientError> {
        self.post(SESSION_PATH, request, timeout).await
    }
}
