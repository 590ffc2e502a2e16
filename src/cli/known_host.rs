//! What a verb may rely on of the host that is installed here. Root relies on nothing that the
//! service user can write: what it needs is in a file of its own that `install` has written.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{CONFIG_FILE, secrets_file::SecretsFile};
use crate::{
    agent::{Identity, give_back, load_identity, load_own_identity},
    config::{InstallArguments, InstallOptions, JoinRoute, Purpose, StateDir, default_state_dir},
    host::{process::is_root, service::service_user},
    model::{BootstrapSecret, Code, CoordinatorAddress, Failure, Fingerprint, RoleSet},
    rt::files,
    tls::certificate_with_pin,
    token::{Claims, UnverifiedToken},
};

/// What makes root write it anew.
pub const HOW_TO_NOTE: &str = "Run 'ece-agent install' once as root, which writes \
/etc/ece-agent/cluster.json: on a first host as it is; on one that has joined with \
--coordinator-host HOST and --ca-fingerprint sha256:…, which 'ece-agent ca show' prints on a \
coordinator, or with a token (--roles-token-file FILE).";

const MEMBER_IS_LOST: &str = "Repeat its install command with a valid roles token \
(--roles-token-file FILE), which lets it in again; to begin anew run 'ece-agent uninstall' first.";

const FIRST_HOST_IS_LOST: &str = "If 'coordinator/' is still there, run 'ece-agent install'; else \
'ece-agent restore DIRECTORY' with a backup before that. Without one the cluster is lost: \
'ece-agent uninstall --force', then 'ece-agent install' makes another.";

/// Written by root alone.
pub const CLUSTER_FILE: &str = "/etc/ece-agent/cluster.json";

const SCHEMA: u32 = 1;
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHost {
    schema: u32,
    pub cluster_id: String,
    pub first_host: bool,
    pub storage_path: PathBuf,
    /// Those that the host was last installed with, as root asked for them.
    #[serde(default)]
    pub roles: RoleSet,
    pub coordinators: Vec<CoordinatorAddress>,
    pub pins: Vec<Fingerprint>,
    /// The cluster's CA, as PEM.
    pub ca_certificate: Option<String>,
}

pub enum Known {
    Host(KnownHost),
    NotInstalled,
    /// The state directory is the service user's, and root has no file of its own about it.
    NotNoted,
}

impl From<Identity> for KnownHost {
    fn from(identity: Identity) -> Self {
        Self {
            schema: SCHEMA,
            coordinators: identity.coordinators(),
            cluster_id: identity.cluster_id,
            first_host: identity.first_host,
            storage_path: identity.settings.storage_path,
            roles: identity.joined_roles,
            pins: identity.pins,
            ca_certificate: Some(identity.ca_certificate),
        }
    }
}

impl KnownHost {
    /// From what root was given, or holds since the cluster was made.
    pub fn of_installation(options: &InstallOptions, said: &Identity) -> Option<Self> {
        let known = Self::of_cluster(options, said)?;
        Some(Self { roles: options.purpose.roles().clone(), ..known })
    }

    fn of_cluster(options: &InstallOptions, said: &Identity) -> Option<Self> {
        let storage = &options.settings.storage_path;
        match &options.purpose {
            Purpose::Stay(_) if options.purpose.route_of_member().is_some() => {
                let known =
                    Self::by_route(options.purpose.route_of_member()?, false, storage, said);
                known.ca_certificate.is_some().then_some(known)
            }
            Purpose::FirstHost(_) | Purpose::Stay(_) => {
                let never = service_user().ok()?.map(|user| user.uid);
                Self::of_first_host(storage, never, said)
            }
            Purpose::Join(join) => {
                let token = join.token.says().ok()?;
                Some(Self::by_route(join.route(token.claims()).ok()?, false, storage, said))
            }
        }
    }

    /// From a token in the secrets file, which has been out of the service user's hands since the
    /// cluster was made.
    fn of_first_host(storage: &Path, never: Option<u32>, said: &Identity) -> Option<Self> {
        let secrets = SecretsFile::open(storage, never).ok()??;
        let token = secrets.get(BootstrapSecret::TokenWithoutRoles)?;
        let token = UnverifiedToken::parse(token.expose()).ok()?;
        let Claims { coordinators, pins, .. } = token.claims().clone();
        Some(Self::by_route(JoinRoute { coordinators, pins }, true, storage, said))
    }

    /// Of what the service user says only what can do no harm is taken.
    fn by_route(route: JoinRoute, first_host: bool, storage: &Path, said: &Identity) -> Self {
        let is_id = said.cluster_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        Self {
            schema: SCHEMA,
            cluster_id: if is_id { said.cluster_id.clone() } else { String::new() },
            first_host,
            storage_path: storage.to_owned(),
            roles: RoleSet::default(),
            ca_certificate: certificate_with_pin(said.ca_certificate.as_bytes(), &route.pins),
            coordinators: route.coordinators,
            pins: route.pins,
        }
    }

    /// Roles that root has asked for when the service was installed.
    pub fn roles_of_service() -> RoleSet {
        Self::load().ok().flatten().map(|known| known.roles).unwrap_or_default()
    }

    /// Its own files are gone, and it is not forgotten.
    fn lost(&self, state: &StateDir) -> Failure {
        let (cluster, dir) = (&self.cluster_id, state.path().display());
        let (what, fix) = match self.first_host {
            true => ("is the first host of", FIRST_HOST_IS_LOST),
            false => ("has joined", MEMBER_IS_LOST),
        };
        let message = format!(
            "this host {what} the cluster {cluster}, and who it is there is missing in {dir}"
        );
        Failure::new(Code::InstallNotDone, message).with_fix(fix)
    }

    pub fn as_file(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }

    fn load() -> Result<Option<Self>, Failure> {
        let failed = |reason: String| {
            Failure::new(Code::IdentityUnreadable, format!("{CLUSTER_FILE}: {reason}"))
                .with_fix(format!("Remove the file. {HOW_TO_NOTE}"))
        };
        let content = files::read_kept(CLUSTER_FILE.as_ref(), MAX_FILE)
            .map_err(|error| failed(error.to_string()))?;
        let Some(content) = content else { return Ok(None) };
        let known: Self =
            serde_json::from_slice(&content).map_err(|_| failed("it is damaged".into()))?;
        if known.schema > SCHEMA {
            return Err(failed("a newer version of ece-agent wrote it".into()));
        }
        Ok(Some(known))
    }
}

/// The user that a state directory belongs to, if the caller is root and that is not root.
pub fn other_owner(state: &StateDir) -> Option<u32> {
    let owner = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.uid());
    let owners = [owner(state.path()), owner(&state.identity())];
    owners.into_iter().flatten().find(|uid| is_root() && *uid != 0)
}

/// What root has noted of the host of this state directory, whatever became of its own files.
pub fn noted_by_root(state: &StateDir) -> Result<Option<KnownHost>, Failure> {
    match is_root() && state.path() == default_state_dir(true) {
        true => KnownHost::load(),
        false => Ok(None),
    }
}

/// What is said where no host is installed: perhaps it is somebody else's to ask.
pub fn not_installed(state: &StateDir) -> Failure {
    if let Some(failure) = installed_by_root(state) {
        return failure;
    }
    if let Ok(Some(noted)) = noted_by_root(state) {
        return noted.lost(state);
    }
    let message = format!("no host is installed in {}", state.path().display());
    Failure::new(Code::InstallNotDone, message)
}

/// Where root has installed a host and a user means it, without having named a directory.
pub fn installed_by_root(state: &StateDir) -> Option<Failure> {
    let roots = default_state_dir(true);
    let is_meant = !is_root() && state.path() == default_state_dir(false) && state.path() != roots;
    let is_there = || roots.exists() || Path::new(CLUSTER_FILE).exists();
    (is_meant && is_there()).then(|| {
        let message = format!(
            "the host of this machine was installed by root, in {}; this user has none in {}",
            roots.display(),
            state.path().display()
        );
        Failure::new(Code::PrivilegesMissing, message).with_fix(
            "Repeat the command with sudo; for a host of this user's own name a directory with --state-dir.",
        )
    })
}

const OF_SERVICE: &str = "It is the service's: 'systemctl start ece-agent' starts it and 'systemctl \
stop ece-agent' stops it. To do something as its user: 'runuser -u ece-agent -- ece-agent …'.";

/// Root does not work in a directory that somebody else can rearrange meanwhile.
pub fn must_be_own(state: &StateDir) -> Result<(), Failure> {
    match other_owner(state) {
        None => Ok(()),
        Some(uid) => {
            let identity = state.identity();
            let is_own = fs::symlink_metadata(state.path()).is_ok_and(|found| found.uid() == 0);
            let which = if is_own { &identity } else { state.path() };
            let message = format!("{} belongs to the user {uid}", which.display());
            let failure = Failure::new(Code::StateOfAnother, message);
            Err(match is_own {
                true => failure.with_fix(give_back(&identity)),
                false if state.path() == default_state_dir(true) => failure.with_fix(OF_SERVICE),
                false => failure,
            })
        }
    }
}

/// Where root finds what is the service's, whoever it belongs to; all else must be the caller's.
pub fn must_be_own_or_the_services(state: &StateDir) -> Result<(), Failure> {
    match state.path() == default_state_dir(true) {
        true => Ok(()),
        false => must_be_own(state),
    }
}

pub fn known_host(state: &StateDir) -> Result<Known, Failure> {
    if other_owner(state).is_none() {
        let known = match load_own_identity(state)? {
            Some(own) => Some(own.into()),
            None => noted_by_root(state)?,
        };
        return Ok(known.map_or(Known::NotInstalled, Known::Host));
    }
    must_be_own_or_the_services(state)?;
    if let Some(noted) = KnownHost::load()? {
        return Ok(Known::Host(noted));
    }
    let first_host = load_identity(state).ok().flatten().and_then(|said| {
        KnownHost::of_first_host(&storage_in_host_file().ok()?, other_owner(state), &said)
    });
    Ok(first_host.map_or(Known::NotNoted, Known::Host))
}

/// Where data goes, as the config file of a service says it, or by default.
pub fn storage_in_host_file() -> Result<PathBuf, Failure> {
    let file = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref());
    let file = file.map_err(|error| Failure::new(Code::ConfigFile, error.to_string()))?;
    Ok(file.storage_path())
}

impl Known {
    pub fn host(self) -> Option<KnownHost> {
        match self {
            Known::Host(host) => Some(host),
            Known::NotInstalled | Known::NotNoted => None,
        }
    }

    /// Where data and secrets are, as root's files say it, or by default.
    pub fn storage_path(&self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Known::Host(host) => Ok(Some(host.storage_path.clone())),
            Known::NotInstalled => Ok(None),
            Known::NotNoted => storage_in_host_file().map(Some),
        }
    }
}
