use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    CONFIG_FILE, StateDirArgument,
    known_host::{Known, KnownHost, known_host, other_owner},
    secrets_file::SecretsFile,
};
use crate::{
    client::{ApiClient, ApiCredentials, ClientError},
    config::{InstallArguments, StateDir, read_toml},
    coordinator::{ADMIN, API_PORT},
    model::{Code, CoordinatorAddress, Failure, Fingerprint, HOSTS_PORT, Secret},
    rt::{files, reexec},
    tls::{PinVerifier, fingerprint_of_pem},
};

const MAX_FILE: u64 = 1 << 20;

const NOT_NOTED: &str = "Root takes no address and no pin from the service user's files, and \
/etc/ece-agent/cluster.json is missing: repeat 'ece-agent install', which writes it, or add \
--coordinator-host and --ca-fingerprint.";

/// How a verb reaches the API. On the first host nothing needs to be given.
#[derive(clap::Args)]
pub struct AccessArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// The coordinator, with a port if it is not 12443 [default: this host's]
    #[arg(long, env = "ECE_AGENT_COORDINATOR_HOST", value_name = "HOST[:PORT]")]
    coordinator_host: Option<String>,
    /// Who asks [default: admin]
    #[arg(long, env = "ECE_AGENT_USER", value_name = "NAME")]
    user: Option<String>,
    /// A file that holds the password [default on the first host: what install left]
    #[arg(long, env = "ECE_AGENT_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file that holds an API key, in place of user and password
    #[arg(
        long,
        env = "ECE_AGENT_API_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "password_file"
    )]
    api_key_file: Option<PathBuf>,
    /// A TOML file that says all this, by the names of these flags
    /// [default: ~/.config/ece-agent/profile.toml]
    #[arg(long, env = "ECE_AGENT_PROFILE", value_name = "FILE")]
    profile: Option<PathBuf>,
    /// A PEM file with the cluster's CA
    #[arg(long, env = "ECE_AGENT_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// The fingerprint of the cluster's CA, as 'ece-agent ca show' prints it
    #[arg(long, env = "ECE_AGENT_CA_FINGERPRINT", value_name = "sha256:…")]
    ca_fingerprint: Option<Fingerprint>,
}

/// A way to the API that has been found.
pub struct Access {
    pub client: ApiClient,
    /// For join commands: the host to name to others.
    pub coordinator: CoordinatorAddress,
}

impl AccessArguments {
    pub fn open(self) -> Result<Access, Failure> {
        let this = self.with_profile()?;
        let state = this.state.clone().state_dir();
        let known = known_host(&state)?;
        let not_noted = matches!(known, Known::NotNoted);
        let this = if not_noted { this.with_host_file()? } else { this };
        let known = known.host();
        let known = known.as_ref();
        let told = |failure: Failure| match not_noted {
            true => failure.with_fix(NOT_NOTED),
            false => failure,
        };
        let address = api_address(this.coordinator_host.as_deref(), known).map_err(told)?;
        let pins = pins(this.ca_cert, this.ca_fingerprint, known).map_err(told)?;
        let credentials = match this.api_key_file {
            Some(file) => ApiCredentials::ApiKey(read_password(&file)?),
            None => credentials(this.user, this.password_file, known, &state)?,
        };
        let verifier = Arc::new(PinVerifier::new(pins, []));
        let client = ApiClient::new(address.clone(), verifier, credentials)
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        Ok(Access { client, coordinator: address.with_port(HOSTS_PORT) })
    }
}

impl AccessArguments {
    /// What is still open, from the config file, which is root's.
    fn with_host_file(self) -> Result<Self, Failure> {
        let file = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref());
        let file = file.map_err(|it| Failure::new(Code::ConfigFile, it.to_string()))?;
        let pinned = self.ca_cert.is_some() || self.ca_fingerprint.is_some();
        let pin = file.ca_fingerprint.first().and_then(|text| text.parse().ok());
        Ok(Self {
            coordinator_host: self.coordinator_host.or(file.coordinator_host.into_iter().next()),
            ca_cert: self.ca_cert.or(file.ca_cert.filter(|_| !pinned)),
            ca_fingerprint: self.ca_fingerprint.or(pin.filter(|_| !pinned)),
            ..self
        })
    }

    /// What flags and variables leave open, from the profile.
    fn with_profile(self) -> Result<Self, Failure> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let default = home.map(|home| home.join(".config/ece-agent/profile.toml"));
        let Some(file) = self.profile.clone().or(default) else { return Ok(self) };
        let failed = |reason: String| {
            Failure::new(Code::ConfigFile, format!("the profile {}: {reason}", file.display()))
        };
        let content = files::read_limited(&file, MAX_FILE).map_err(|it| failed(it.to_string()))?;
        let Some(content) = content else {
            return match self.profile {
                Some(_) => Err(failed("it is not there".into())),
                None => Ok(self),
            };
        };
        let text = std::str::from_utf8(&content).map_err(|it| failed(it.to_string()))?;
        let profile: Profile = read_toml(text).map_err(failed)?;
        let named = self.password_file.is_some() || self.api_key_file.is_some();
        let (password_file, api_key_file) = match named {
            true => (self.password_file, self.api_key_file),
            false => (profile.password_file, profile.api_key_file),
        };
        Ok(Self {
            coordinator_host: self.coordinator_host.or(profile.coordinator_host),
            user: self.user.or(profile.user),
            password_file,
            api_key_file,
            ca_cert: self.ca_cert.or(profile.ca_cert),
            ca_fingerprint: self.ca_fingerprint.or(profile.ca_fingerprint),
            ..self
        })
    }
}

/// The keys of a profile.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Profile {
    coordinator_host: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    api_key_file: Option<PathBuf>,
    ca_cert: Option<PathBuf>,
    ca_fingerprint: Option<Fingerprint>,
}

/// An API answer in the words of the command line.
pub fn api_failure(error: ClientError) -> Failure {
    let ClientError::Refused { status, ref code, ref message, .. } = error else {
        return error.into();
    };
    let own = match status {
        401 => Code::ApiUnauthenticated,
        403 if code == "root.unauthorized.rbac" => Code::ApiForbidden,
        _ => Code::ApiRefused,
    };
    Failure::new(own, format!("{message} ({code})"))
}

fn invalid(message: impl Into<String>, fix: &'static str) -> Failure {
    Failure::new(Code::ConfigInvalid, message).with_fix(fix)
}

fn api_address(
    given: Option<&str>,
    known: Option<&KnownHost>,
) -> Result<CoordinatorAddress, Failure> {
    let Some(text) = given else {
        let first = known.and_then(|host| host.coordinators.first());
        let first = first.map(|address| address.clone().with_port(API_PORT));
        return first.ok_or_else(|| {
            invalid(
                "no coordinator is named, and nothing here says which it is",
                "Add --coordinator-host HOST.",
            )
        });
    };
    let address: CoordinatorAddress = text.parse().map_err(|error| {
        invalid(format!("--coordinator-host: {error}"), "Give a name or an address.")
    })?;
    // What has no port of its own gets the one for hosts, which is not the one meant here.
    Ok(if address.port() == HOSTS_PORT { address.with_port(API_PORT) } else { address })
}

fn pins(
    ca_cert: Option<PathBuf>,
    ca_fingerprint: Option<Fingerprint>,
    known: Option<&KnownHost>,
) -> Result<Vec<Fingerprint>, Failure> {
    if let Some(file) = ca_cert {
        let unreadable = |reason: String| {
            Failure::new(Code::TrustCaUnreadable, format!("{}: {reason}", file.display()))
        };
        let pem = files::read_limited(&file, MAX_FILE)
            .map_err(|error| unreadable(error.to_string()))?
            .ok_or_else(|| unreadable("it is not there".into()))?;
        let pin = fingerprint_of_pem(&pem).map_err(|error| unreadable(error.to_string()))?;
        return Ok(vec![pin]);
    }
    match (ca_fingerprint, known) {
        (Some(pin), _) => Ok(vec![pin]),
        (None, Some(host)) if !host.pins.is_empty() => Ok(host.pins.clone()),
        (None, _) => {
            let message = "nothing says which coordinator is the right one: give --ca-fingerprint or --ca-cert";
            Err(Failure::new(Code::TrustNoPin, message))
        }
    }
}

fn unreadable(file: &Path, reason: String) -> Failure {
    invalid(
        format!("the password cannot be read from {}: {reason}", file.display()),
        "Give a file that holds the password with --password-file.",
    )
}

/// The password that a file holds, without the end of its line.
pub fn read_password(file: &Path) -> Result<Secret, Failure> {
    let content = reexec::read_secret(file, MAX_FILE)
        .map_err(|error| unreadable(file, error.to_string()))?
        .ok_or_else(|| unreadable(file, "it is not there".into()))?;
    let content = zeroize::Zeroizing::new(content);
    let text =
        std::str::from_utf8(&content).map_err(|_| unreadable(file, "it is not text".into()))?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}

fn credentials(
    user: Option<String>,
    password_file: Option<PathBuf>,
    known: Option<&KnownHost>,
    state: &StateDir,
) -> Result<ApiCredentials, Failure> {
    let user = user.unwrap_or_else(|| ADMIN.to_owned());
    if let Some(file) = password_file {
        return Ok(ApiCredentials::Password { user, password: read_password(&file)? });
    }
    let Some(host) = known.filter(|host| host.first_host && user == ADMIN) else {
        let message = format!("there is no password for {user} in {}", state.path().display());
        return Err(invalid(message, "Give a file that holds it with --password-file."));
    };
    let file = host.storage_path.join("bootstrap-state/bootstrap-secrets.json");
    let password = SecretsFile::open(&host.storage_path, other_owner(state))
        .map_err(|error| unreadable(&file, error.to_string()))?
        .ok_or_else(|| unreadable(&file, "it is not there".into()))?
        .get("adminconsole_root_password")
        .ok_or_else(|| unreadable(&file, "it is damaged".into()))?;
    Ok(ApiCredentials::Password { user, password })
}
