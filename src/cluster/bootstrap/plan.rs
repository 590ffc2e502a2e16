//! What was drawn at random for a cluster that is being made. Whoever could put a plan of their own
//! in its place would have the cluster.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{BootstrapError, FirstHost, MAX_FILE, to_line};
use crate::{
    cluster::{records::TokenRecord, seal::MasterKey},
    rt::{Timestamp, files},
    wire::hosts::SecretText,
};

const PURPOSE: &str = "plan";

/// In the order of its making.
#[derive(Serialize, Deserialize)]
pub(super) struct Plan {
    pub cluster_id: String,
    pub created_at: Timestamp,
    pub authority_certificate: String,
    pub authority_key: SecretText,
    pub signing_key: SecretText,
    pub admin_password: SecretText,
    pub readonly_password: SecretText,
    pub tokens: Vec<PlannedToken>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PlannedToken {
    pub text: SecretText,
    pub record: TokenRecord,
}

/// The file that a plan is in until the cluster is made.
pub(super) struct PlanFile<'a> {
    path: PathBuf,
    key: Option<&'a MasterKey>,
}

impl<'a> PlanFile<'a> {
    pub fn of(host: &'a FirstHost) -> Self {
        Self { path: host.dir.join("bootstrap.json"), key: host.plan_key.as_ref() }
    }

    pub fn damaged(&self) -> BootstrapError {
        BootstrapError::DamagedPlan(self.path.clone())
    }

    /// One that was sealed with another key, or not at all, is as good as none.
    pub fn read(&self) -> Result<Option<Plan>, BootstrapError> {
        let content = files::read_kept(&self.path, MAX_FILE).map_err(not_done(&self.path))?;
        let Some(content) = content.map(Zeroizing::new) else { return Ok(None) };
        let content = match self.key {
            None => content,
            Some(key) => {
                let opened = std::str::from_utf8(&content).map(|it| key.open(PURPOSE, it.trim()));
                match opened {
                    Ok(Ok(content)) => content,
                    Ok(Err(_)) | Err(_) => return Ok(None),
                }
            }
        };
        serde_json::from_slice(&content).map(Some).map_err(|_| self.damaged())
    }

    pub fn write(&self, plan: &Plan) -> Result<(), BootstrapError> {
        let mut line = Zeroizing::new(to_line(plan));
        if let Some(key) = self.key {
            line = Zeroizing::new(key.seal(PURPOSE, &line).into_bytes());
        }
        super::write(&self.path, &line)
    }

    pub fn remove(&self) -> Result<(), BootstrapError> {
        files::remove(&self.path).map_err(not_done(&self.path))
    }
}

fn not_done(path: &Path) -> impl FnOnce(std::io::Error) -> BootstrapError {
    move |source| BootstrapError::File { path: path.to_owned(), source }
}
