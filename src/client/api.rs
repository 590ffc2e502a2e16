use std::{sync::Arc, time::Duration};

use reqwest::Method;

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
        tokens::{EnrollmentTokenRequest, ListEnrollmentTokenReply, RequestEnrollmentTokenReply},
    },
};

const TIMEOUT: Duration = Duration::from_secs(30);
const TOKENS: &str = "/api/v1/platform/configuration/security/enrollment-tokens";

/// Who a person is to the API.
#[derive(Debug, Clone)]
pub struct ApiCredentials {
    pub user: String,
    pub password: Secret,
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
        self.send(self.request(Method::POST, TOKENS).json(request)).await
    }

    pub async fn list_tokens(&self) -> Result<ListEnrollmentTokenReply, ClientError> {
        self.send(self.request(Method::GET, TOKENS)).await
    }

    /// By id: a whole token would show up in the logs of whatever stands in between.
    pub async fn revoke_token(&self, id: crate::model::TokenId) -> Result<(), ClientError> {
        let path = format!("{TOKENS}/{id}");
        let EmptyResponse {} = self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// What the coordinator serves to new machines.
    pub async fn downloads(&self) -> Result<DownloadInfo, ClientError> {
        self.send(self.request(Method::GET, DOWNLOADS_PATH)).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.address.base_url());
        self.dialler
            .http
            .request(method, url)
            .timeout(TIMEOUT)
            .basic_auth(&self.credentials.user, Some(self.credentials.password.expose()))
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ClientError> {
        read(&self.address, request.send().await).await
    }
}
