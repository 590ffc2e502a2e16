mod flags;
mod profile;
mod refusals;
mod sources;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{
    CONFIG_FILE, StateDirArgument,
    answering::{LONGEST, storage_answers},
    daemon_socket::connect,
    known_host::{HOW_TO_NOTE, Known, KnownHost, known_host, other_owner},
    run_to_end,
    secrets_file::SecretsFile,
};
use crate::{
    client::{ApiClient, ApiCredentials, ClientError, HttpVerb, Reply},
    cluster::records::ADMIN,
    config::{InstallArguments, StateDir, read_standard_input},
    model::{
        BootstrapSecret, Code, CoordinatorAddress, Failure, Fingerprint, HOSTS_PORT, Secret,
        StorageLayout, printable::cut,
    },
    rt::reexec,
    server::API_PORT,
    tls::PinVerifier,
};

pub use flags::{AskerArguments, PinArguments, ProfileArgument};
pub use profile::{
    Profile, default_profile, failed as profile_failed, not_written, state_dir_flag_beside_profile,
};
pub use refusals::api_failure;
use sources::{FromProfile, Sources};

const MAX_FILE: u64 = 1 << 20;
const LONGEST_TOLD: usize = 120;

/// Root takes no address and no pin from the service user's files.
fn how_to_do_without() -> String {
    format!("{HOW_TO_NOTE} Or add --coordinator-host and --ca-fingerprint to this command.")
}

/// How a verb reaches the API. On the first host nothing needs to be given.
#[derive(clap::Args)]
#[command(mut_arg("profile", |flag| flag.help(ABOUT_PROFILE)))]
pub struct AccessArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// The coordinator, with a port if it is not 12443 [default: this host's]
    #[arg(long, env = "ECE_AGENT_COORDINATOR_HOST", value_name = "HOST[:PORT]")]
    coordinator_host: Option<String>,
    #[command(flatten)]
    user: AskerArguments,
    /// A file that holds an API key, in place of user and password
    #[arg(
        long,
        env = "ECE_AGENT_API_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "password_file"
    )]
    api_key_file: Option<PathBuf>,
    #[command(flatten)]
    profile: ProfileArgument,
    #[command(flatten)]
    pin: PinArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const ABOUT_PROFILE: &str = "A TOML file that says all this, by the names of these flags. The usual one gives way to --state-dir and to another --coordinator-host [default: ~/.config/ece-agent/profile.toml]";

/// A way to the API that has been found.
pub struct Access {
    pub client: ApiClient,
    /// For join commands: the host to name to others.
    pub coordinator: CoordinatorAddress,
    /// Where the API is.
    pub address: CoordinatorAddress,
    pub pins: Vec<Fingerprint>,
    /// Who asks whom, and what says so.
    pub asked: String,
    /// Whether an API key says who asks.
    with_key: bool,
}

impl Access {
    /// One operation of the API that takes no body.
    pub fn call(&self, verb: HttpVerb, path: &str) -> Result<Reply, Failure> {
        self.told(self.client.call(verb, path))
    }

    /// The same of one that takes a body.
    pub fn send(
        &self,
        verb: HttpVerb,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply, Failure> {
        self.told(self.client.send(verb, path, body))
    }

    /// What the API answers. Where it was not reached or lets nobody in, who was asked, and by
    /// what, is said too.
    pub fn told<T>(
        &self,
        asked: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, Failure> {
        run_to_end(asked).map_err(|error| {
            let is_about_the_request =
                matches!(error, ClientError::Refused { status, .. } if !matches!(status, 401 | 403));
            let failure = api_failure(error);
            if is_about_the_request {
                return failure;
            }
            let failure = failure.adding(&self.asked);
            match self.with_key && failure.is(Code::ApiUnauthenticated) {
                true => failure.with_fix(format!(
                    "Make another key with 'ece-agent login {}': this one was deleted, is over, or its user was disabled or has another password since.",
                    self.address
                )),
                false => failure,
            }
        })
    }
}

impl AccessArguments {
    pub fn open(self) -> Result<Access, Failure> {
        let state = self.state.clone().answering()?;
        let (this, profile) = self.with_profile()?;
        let sources = Sources { state: state.path().to_owned(), profile };
        let known = known_host(&state)?;
        let not_noted = matches!(known, Known::NotNoted);
        let this = if not_noted { this.with_host_file()? } else { this };
        let known = known.host();
        let known = known.as_ref();
        // Of what was given nobody asks where else it was looked for.
        let told = |failure: Failure, is_given: bool| {
            if is_given {
                return failure;
            }
            let failure = failure.adding(&sources.searched(known.is_some() || not_noted));
            if not_noted { failure.with_fix(how_to_do_without()) } else { failure }
        };
        let is_given = this.coordinator_host.is_some();
        let address = api_address(this.coordinator_host.as_deref(), known)
            .map_err(|failure| told(failure, is_given))?;
        let is_given = this.pin.is_given();
        let pins = this.pin.pins(known).map_err(|failure| told(failure, is_given))?;
        // The password of this cluster is for no other one.
        let own = known.filter(|host| pins.iter().all(|pin| host.pins.contains(pin)));
        let (credentials, who) = match this.api_key_file {
            Some(file) => {
                let who = format!("with the API key in {}", file.display());
                (ApiCredentials::ApiKey(read_key(&file)?), who)
            }
            None => {
                let user = this.user.user.unwrap_or_else(|| ADMIN.to_owned());
                let keeps = own.filter(|host| host.first_host && user == ADMIN);
                let (file, password) = match (this.user.password_file, keeps) {
                    (Some(file), _) => (file.clone(), read_password(&file)?),
                    (None, Some(host)) => own_password(host, &state)?,
                    (None, None) => return Err(told(no_password(&user, own, &address), false)),
                };
                let who = format!("as {user} with the password in {}", file.display());
                let is_here = keeps.is_some_and(|host| is_api_of(host, &address));
                let session = if is_here { session_here(&state, &user, &password) } else { None };
                let credentials = match session {
                    Some(token) => ApiCredentials::Session(token),
                    None => ApiCredentials::Password { user, password },
                };
                (credentials, who)
            }
        };
        let with_key = matches!(credentials, ApiCredentials::ApiKey(_));
        let verifier = Arc::new(PinVerifier::new(pins.iter().copied(), []));
        let client = ApiClient::new(address.clone(), verifier, credentials)
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let asked = format!("asked {address} {who}, {sources}");
        let coordinator = address.with_port(HOSTS_PORT);
        Ok(Access { client, coordinator, address, pins, asked, with_key })
    }

    /// What is still open, from the config file, which is root's.
    fn with_host_file(self) -> Result<Self, Failure> {
        let file = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref());
        let file = file.map_err(|it| Failure::new(Code::ConfigFile, it.to_string()))?;
        let pin = file.ca_fingerprint.first().and_then(|text| text.parse().ok());
        Ok(Self {
            coordinator_host: self.coordinator_host.or(file.coordinator_host.into_iter().next()),
            pin: self.pin.or(file.ca_cert, pin),
            ..self
        })
    }

    /// What flags and variables leave open, from the profile. One that nobody has named gives way
    /// to a state directory, and to a coordinator that is not its own.
    fn with_profile(self) -> Result<(Self, FromProfile), Failure> {
        let (file, named) = match (self.profile.profile.clone(), default_profile()) {
            (Some(file), _) => (file, true),
            (None, Some(file)) => (file, false),
            (None, None) => return Ok((self, FromProfile::NoHome)),
        };
        if !named && self.state.is_given() {
            let there = file.exists();
            let left_out = FromProfile::LeftOut(file.clone(), "--state-dir");
            return Ok((self, if there { left_out } else { FromProfile::Missing(file) }));
        }
        let Some(profile) = Profile::load(&file)? else {
            return match named {
                true => Err(profile::failed(&file, "it is not there")),
                false => Ok((self, FromProfile::Missing(file))),
            };
        };
        let same = |given: &str| {
            let own = profile.coordinator_host.as_deref();
            own.is_none_or(|own| {
                given == own || api_address_of(given).ok() == api_address_of(own).ok()
            })
        };
        if !named && !self.coordinator_host.as_deref().is_none_or(same) {
            return Ok((self, FromProfile::LeftOut(file, "--coordinator-host")));
        }
        // One says who asks, the other with what: neither goes with the other's.
        let AskerArguments { user, password_file } = self.user;
        let given = password_file.is_some() || self.api_key_file.is_some();
        let other_user = user.is_some() && user != profile.user;
        let (password_file, api_key_file) = match (given, other_user) {
            (true, _) => (password_file, self.api_key_file),
            (false, true) => (None, None),
            (false, false) => (profile.password_file, profile.api_key_file),
        };
        let this = Self {
            coordinator_host: self.coordinator_host.or(profile.coordinator_host),
            user: AskerArguments { user: user.or(profile.user), password_file },
            api_key_file,
            pin: self.pin.or(profile.ca_cert, profile.ca_fingerprint),
            ..self
        };
        Ok((this, FromProfile::Used(file)))
    }
}

fn invalid(message: impl Into<String>, fix: impl Into<String>) -> Failure {
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
                "Add --coordinator-host HOST, or write a profile with 'ece-agent login HOST'.",
            )
        });
    };
    api_address_of(text)
}

/// Where the API is, by what a person says.
pub fn api_address_of(text: &str) -> Result<CoordinatorAddress, Failure> {
    let address: CoordinatorAddress = text.parse().map_err(|error| {
        let shown = cut(text, LONGEST_TOLD);
        invalid(format!("{shown:?} is no coordinator: {error}"), "Give a name or an address.")
    })?;
    // What has no port of its own gets the one for hosts, which is not the one meant here.
    Ok(if address.port() == HOSTS_PORT { address.with_port(API_PORT) } else { address })
}

fn unreadable(file: &Path, reason: &str) -> Failure {
    invalid(
        format!("the password cannot be read from {}: {reason}", file.display()),
        "Give a file that holds the password with --password-file; '-' asks for it.",
    )
}

/// The password that a file holds, without the end of its line; '-' is standard input, and a
/// terminal is asked without showing what is typed.
pub fn read_password(file: &Path) -> Result<Secret, Failure> {
    let content = match file == Path::new("-") {
        true => read_standard_input("password: ", MAX_FILE).map(Some),
        false => reexec::read_secret(file, MAX_FILE).map(|it| it.map(zeroize::Zeroizing::new)),
    };
    let content = content.map_err(|error| unreadable(file, &error.to_string()))?;
    secret_line(content).map_err(|reason| unreadable(file, reason))
}

fn read_key(file: &Path) -> Result<Secret, Failure> {
    let unreadable = |reason: &str| {
        let message = format!("the API key cannot be read from {}: {reason}", file.display());
        invalid(message, "Make a new one with 'ece-agent login HOST' or 'ece-agent apikey create'.")
    };
    let content = reexec::read_secret(file, MAX_FILE).map_err(|it| unreadable(&it.to_string()))?;
    secret_line(content.map(zeroize::Zeroizing::new)).map_err(unreadable)
}

fn secret_line(content: Option<zeroize::Zeroizing<Vec<u8>>>) -> Result<Secret, &'static str> {
    let content = content.ok_or("it is not there")?;
    let text = std::str::from_utf8(&content).map_err(|_| "it is not text")?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}

/// The password of the admin that a first host keeps, and the file.
fn own_password(host: &KnownHost, state: &StateDir) -> Result<(PathBuf, Secret), Failure> {
    storage_answers(&host.storage_path, LONGEST)?;
    let file = StorageLayout::of(&host.storage_path).secrets_file();
    let password = SecretsFile::open(&host.storage_path, other_owner(state))
        .map_err(|error| unreadable(&file, &error.to_string()))?
        .ok_or_else(|| unreadable(&file, "it is not there"))?
        .get(BootstrapSecret::AdminPassword)
        .ok_or_else(|| unreadable(&file, "it is damaged"))?;
    Ok((file, password))
}

fn is_api_of(first_host: &KnownHost, address: &CoordinatorAddress) -> bool {
    let own = first_host.coordinators.first();
    own.is_some_and(|own| own.clone().with_port(API_PORT) == *address)
}

/// A session that the daemon of this host opens: whoever guesses passwords from here can keep others
/// waiting at the API, and cannot at the daemon's socket. Without one there is the password still.
fn session_here(state: &StateDir, user: &str, password: &Secret) -> Option<Secret> {
    run_to_end(async {
        let daemon = connect(state).await.ok()?;
        daemon.open_session(user, password.clone()).await.ok()?.ok()
    })
}

fn no_password(user: &str, own: Option<&KnownHost>, at: &CoordinatorAddress) -> Failure {
    let login = format!("ece-agent login {at}");
    match own.filter(|host| !host.first_host && user == ADMIN) {
        Some(_) => invalid(
            format!(
                "this host has joined its cluster, and the password of {user} is kept on the first host alone"
            ),
            format!(
                "Repeat the command on the first host, or here after '{login}', which asks for the password once."
            ),
        ),
        None => invalid(
            format!("there is no password for {user} here"),
            format!(
                "Give a file that holds it with --password-file, or write a profile with '{login}'."
            ),
        ),
    }
}
