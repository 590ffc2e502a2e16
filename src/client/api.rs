use std::{fmt, sync::Arc, time::Duration};

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    dial::Dialler,
    error::{ClientError, read},
};
use crate::{
    model::{CoordinatorAddress, Secret},
    tls::{KeyError, PinVerifier},
    wire::{
        EmptyResponse,
        downloads::{DOWNLOADS_PATH, DownloadInfo},
        tokens::{EnrollmentTokenRequest, RequestEnrollmentTokenReply},
    },
};

/// Lists of all that a cluster has can be long, in bytes.
const MAX_REPLY: usize = 64 << 20;

const TIMEOUT: Duration = Duration::from_secs(30);
const TOKENS: &str = "/api/v1/platform/configuration/security/enrollment-tokens";

/// Who a person is to the API.
#[derive(Debug, Clone)]
pub enum ApiCredentials {
    Password {
        user: String,
        password: Secret,
    },
    ApiKey(Secret),
    /// A bearer token.
    Session(Secret),
}

/// What to do with what a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVerb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpVerb {
    fn method(self) -> Method {
        match self {
            HttpVerb::Get => Method::GET,
            HttpVerb::Post => Method::POST,
            HttpVerb::Put => Method::PUT,
            HttpVerb::Patch => Method::PATCH,
            HttpVerb::Delete => Method::DELETE,
        }
    }
}

/// What an operation has answered. As JSON it is all that a coordinator has said, whatever of it
/// this version knows.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Reply {
    #[serde(skip)]
    coordinator: CoordinatorAddress,
    content: Value,
}

/// What was answered may be a secret.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("coordinator", &self.coordinator).finish_non_exhaustive()
    }
}

impl Reply {
    /// What this version knows of it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        T::deserialize(&self.content).map_err(|error| ClientError::Protocol {
            address: self.coordinator.clone(),
            reason: format!("a reply of another kind: {error}"),
        })
    }

    /// With a field that says something else, or more.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        if let Some(fields) = self.content.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        self
    }
}

/// A coordinator's API as the command line uses it.
pub struct ApiClient {
    address: CoordinatorAddress,
    dialler: Dialler,
    credentials: ApiCredentials,
}

impl ApiClient {
    /// `address` is that of the API.
    pub fn new(
        address: CoordinatorAddress,
        verifier: Arc<PinVerifier>,
        credentials: ApiCredentials,
    ) -> Result<Self, KeyError> {
        Ok(Self { address, dialler: Dialler::new(verifier, None)?, credentials })
    }

    pub async fn create_token(
        &self,
        request: &EnrollmentTokenRequest,
    ) -> Result<RequestEnrollmentTokenReply, ClientError> {
        self.answer(self.request(Method::POST, TOKENS).json(request)).await
    }

    /// By id: a whole token would show up in the logs of whatever stands in between.
    pub async fn revoke_token(&self, id: crate::model::TokenId) -> Result<(), ClientError> {
        let path = format!("{TOKENS}/{id}");
        let EmptyResponse {} = self.answer(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// What the coordinator serves to new machines.
    pub async fn downloads(&self) -> Result<DownloadInfo, ClientError> {
        self.answer(self.request(Method::GET, DOWNLOADS_PATH)).await
    }

    /// Any operation of the API that takes no body; the path begins with `/api/`.
    pub async fn call(&self, verb: HttpVerb, path: &str) -> Result<Reply, ClientError> {
        self.reply(self.request(verb.method(), path)).await
    }

    /// The same of one that takes a body.
    pub async fn send(
        &self,
        verb: HttpVerb,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply, ClientError> {
        self.reply(self.request(verb.method(), path).json(body)).await
    }

    async fn reply(&self, request: reqwest::RequestBuilder) -> Result<Reply, ClientError> {
        let content = self.answer(request).await?;
        Ok(Reply { coordinator: self.address.clone(), content })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.address.base_url());
        let request = self.dialler.http.request(method, url).timeout(TIMEOUT);
        match &self.credentials {
            ApiCredentials::Password { user, password } => {
                request.basic_auth(user, Some(password.expose()))
            }
            ApiCredentials::Session(token) => request.bearer_auth(token.expose()),
            ApiCredentials::ApiKey(key) => {
                let value = zeroize::Zeroizing::new(format!("ApiKey {}", key.expose()));
                request.header("authorization", value.as_str())
            }
        }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ClientError> {
        read(&self.address, request.send().await, MAX_REPLY).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_printed_for_those_who_look_for_a_mistake_shows_no_secret() {
        let coordinator = "10.0.0.1:12443".parse().expect("an address");
        let content = serde_json::json!({ "key": "ek_secret" });
        let reply = Reply { coordinator, content };
        let shown = format!("{reply:?}");
        assert!(shown.contains("10.0.0.1") && !shown.contains("ek_secret"), "{shown}");
        assert!(serde_json::to_string(&reply).expect("plain data").contains("ek_secret"));
    }
}
