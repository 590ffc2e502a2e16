use std::{io, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    config::StateDir,
    model::{Code, Failure, RoleSet, RunnerId},
    rt::files,
};

const MAX_FILE: u64 = 1 << 20;

/// How far `install` got, so that the same command goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    pub phase: Phase,
    pub runner_id: RunnerId,
    pub roles: RoleSet,
    /// What `uninstall` finds where no identity says it.
    #[serde(default)]
    pub storage_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The host has a key.
    KeyMade,
    /// The coordinator may know the host, whether the answer arrived or not.
    EnrolmentSent,
    /// The host is a member.
    Enrolled,
}

impl Journal {
    /// A journal that cannot be read counts as none: every phase can be repeated.
    pub fn load(state: &StateDir) -> io::Result<Option<Self>> {
        let content = files::read_kept(&state.journal(), MAX_FILE)?;
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// The name that an installation goes by: once others may know it, it stays.
    pub fn settle_runner_id(
        journal: Option<&Self>,
        given: Option<&RunnerId>,
        host_ip: IpAddr,
    ) -> Result<RunnerId, Failure> {
        let begun = journal.filter(|journal| journal.phase >= Phase::EnrolmentSent);
        match (given, begun) {
            (Some(given), Some(journal)) if *given != journal.runner_id => {
                let message = format!(
                    "this state directory is of the host {}, and --runner-id says {given}",
                    journal.runner_id
                );
                Err(Failure::new(Code::InstallRunnerIdDiffers, message))
            }
            (_, Some(journal)) => Ok(journal.runner_id.clone()),
            (Some(given), None) => Ok(given.clone()),
            (None, None) => Ok(host_ip.to_string().parse().expect("an address is a runner id")),
        }
    }

    pub fn save(&self, state: &StateDir) -> io::Result<()> {
        let content = serde_json::to_vec_pretty(self).expect("plain data");
        files::write_private(&state.journal(), &content)
    }
}
