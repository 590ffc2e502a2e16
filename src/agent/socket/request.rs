use serde::{Deserialize, Serialize};

use crate::wire::hosts::SecretText;

/// What is asked of the daemon: a line of JSON. Whoever can open the socket is its
/// user, or root.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonRequest {
    /// The status, once.
    Status,
    /// The status now and at each change.
    Watch,
    /// The end of the daemon; its last status.
    Stop,
    /// A new password for a user of the API, on the host that keeps them.
    SetPassword { user: String, password: SecretText },
    /// A session of the API for whoever has this password.
    OpenSession { user: String, password: SecretText },
}

/// What became of a change; `None` is well.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeReply {
    pub error: Option<String>,
}

/// A bearer token, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionReply {
    Token(SecretText),
    Error(String),
}

/// What can be changed on this host alone, without the API.
#[async_trait::async_trait]
pub trait LocalAdministration: Send + Sync {
    async fn set_password(&self, user: &str, password: SecretText) -> Result<(), String>;

    /// A bearer token for the user, whose turn waits for no stranger's.
    async fn open_session(&self, user: &str, password: SecretText) -> Result<SecretText, String>;
}
