use std::{io, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::state::{as_its_user, give_back, not_permitted, not_writable};
use crate::{
    config::{HostSettings, StateDir},
    model::{Code, CoordinatorAddress, Failure, Fingerprint, RoleSet, RunnerId},
    rt::files::{self, PrivateFileError},
    wire::hosts::KnownCoordinator,
};

const SCHEMA: u32 = 1;
const MAX_FILE: u64 = 1 << 20;

/// Who this host is: there once it is a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    schema: u32,
    pub runner_id: RunnerId,
    pub cluster_id: String,
    /// The address it was installed with.
    pub host_ip: IpAddr,
    /// The roles that it joined with.
    pub joined_roles: RoleSet,
    /// Whether this host was the cluster's first: the datastore is here.
    pub first_host: bool,
    pub settings: HostSettings,
    /// How the operator named the coordinators.
    pub dialled: Vec<CoordinatorAddress>,
    /// What the cluster said of its coordinators.
    pub known: Vec<KnownCoordinator>,
    pub pins: Vec<Fingerprint>,
    /// The cluster's CA, as PEM.
    pub ca_certificate: String,
}

impl Identity {
    #[expect(clippy::too_many_arguments, reason = "these are its fields")]
    pub fn new(
        runner_id: RunnerId,
        cluster_id: String,
        host_ip: IpAddr,
        joined_roles: RoleSet,
        first_host: bool,
        settings: HostSettings,
        dialled: Vec<CoordinatorAddress>,
        known: Vec<KnownCoordinator>,
        pins: Vec<Fingerprint>,
        ca_certificate: String,
    ) -> Self {
        Self {
            schema: SCHEMA,
            runner_id,
            cluster_id,
            host_ip,
            joined_roles,
            first_host,
            settings,
            dialled,
            known,
            pins,
            ca_certificate,
        }
    }

    /// Coordinators to turn to, in the order of preference, each once.
    pub fn coordinators(&self) -> Vec<CoordinatorAddress> {
        let mut addresses = self.dialled.clone();
        for known in &self.known {
            if !addresses.contains(&known.address) {
                addresses.push(known.address.clone());
            }
        }
        addresses
    }
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("{0} cannot be read: {1}")]
    Io(PathBuf, io::Error),
    #[error("{0} is damaged")]
    Damaged(PathBuf),
    #[error("{0} can be read by others; only its owner may (mode 0600)")]
    NotPrivate(PathBuf),
    #[error("{0} belongs to another user")]
    OfAnother(PathBuf),
    #[error("{0} was written by a newer version of ece-agent")]
    TooNew(PathBuf),
    #[error("the identity is there, but the key {0} is not")]
    KeyMissing(PathBuf),
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let failure = Failure::new(Code::IdentityUnreadable, error.to_string());
        match &error {
            IdentityError::Io(_, cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
                not_permitted("the host's state is not this user's", &error)
            }
            IdentityError::OfAnother(path) => {
                Failure::new(Code::StateOfAnother, error.to_string()).with_fix(give_back(path))
            }
            IdentityError::NotPrivate(path) => failure.with_fix(format!(
                "Run '{}', then repeat the command.",
                as_its_user("chmod 600", path)
            )),
            _ => failure,
        }
    }
}

/// A file that only its owner may read, and where it was.
type PrivateFile = (PathBuf, Zeroizing<Vec<u8>>);

pub(super) fn read_private(path: PathBuf) -> Result<Option<PrivateFile>, IdentityError> {
    let content = files::read_private(&path, MAX_FILE);
    said_of(path, content)
}

fn said_of(
    path: PathBuf,
    content: Result<Option<Vec<u8>>, PrivateFileError>,
) -> Result<Option<PrivateFile>, IdentityError> {
    match content {
        Ok(None) => Ok(None),
        Ok(Some(content)) => Ok(Some((path, Zeroizing::new(content)))),
        Err(PrivateFileError::NotPrivate) => Err(IdentityError::NotPrivate(path)),
        Err(PrivateFileError::OfAnother) => Err(IdentityError::OfAnother(path)),
        Err(PrivateFileError::Io(error)) => Err(IdentityError::Io(path, error)),
    }
}

/// The identity, or `None` if this host is not installed. One that is there but cannot be read
/// is an error, never a reason to make a new one.
pub fn load_identity(state: &StateDir) -> Result<Option<Identity>, IdentityError> {
    read_private(state.identity())?.map(parsed).transpose()
}

/// The identity as [`load_identity`] gives it, if the file is the caller's own.
pub fn load_own_identity(state: &StateDir) -> Result<Option<Identity>, IdentityError> {
    let content = files::read_own(&state.identity(), MAX_FILE);
    said_of(state.identity(), content)?.map(parsed).transpose()
}

fn parsed((path, content): PrivateFile) -> Result<Identity, IdentityError> {
    let identity: Identity =
        serde_json::from_slice(&content).map_err(|_| IdentityError::Damaged(path.clone()))?;
    if identity.schema > SCHEMA {
        return Err(IdentityError::TooNew(path));
    }
    Ok(identity)
}

pub fn save_identity(state: &StateDir, identity: &Identity) -> io::Result<()> {
    let content = serde_json::to_vec_pretty(identity).expect("plain data");
    files::write_private(&state.identity(), &content)
}

/// Makes the host the member that `identity` says; what it was asked to run before is forgotten.
pub fn begin_membership(state: &StateDir, identity: &Identity) -> Result<(), Failure> {
    files::remove(&state.desired()).map_err(|error| not_writable(&state.desired(), error))?;
    save_identity(state, identity).map_err(|error| not_writable(&state.identity(), error))
}
