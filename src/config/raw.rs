use std::path::{Path, PathBuf};

use clap::{Args, builder::BoolishValueParser as Boolish};
use serde::Deserialize;

use crate::rt::files;

const MAX_CONFIG: u64 = 1 << 20;

/// What `install` takes, as text. Each can be a flag, a variable or, but for the token itself, a
/// key of the config file; a flag wins over a variable, and a variable over the file.
#[derive(Args, Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InstallArguments {
    /// A coordinator of the cluster to join: name or address, with a port if it is not 12343
    #[arg(
        long,
        env = "ECE_AGENT_COORDINATOR_HOST",
        value_delimiter = ',',
        value_name = "HOST[:PORT]",
        help_heading = "Joining"
    )]
    pub coordinator_host: Vec<String>,

    /// The roles token. It shows in the process list for an instant: a file is better
    #[serde(skip)]
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "roles_token_file",
        help_heading = "Joining"
    )]
    pub roles_token: Option<String>,

    /// A file that holds the roles token; '-' reads it from standard input
    #[arg(long, env = "ECE_AGENT_ROLES_TOKEN_FILE", value_name = "FILE", help_heading = "Joining")]
    pub roles_token_file: Option<PathBuf>,

    /// Roles, separated by commas: allocator, coordinator, director, proxy [default: none on a
    /// joining host, all on the first]
    #[arg(long, env = "ECE_AGENT_ROLES", value_name = "ROLES", help_heading = "Joining")]
    pub roles: Option<String>,

    /// A PEM file with the cluster's CA, to trust its coordinators by
    #[arg(long, env = "ECE_AGENT_CA_CERT", value_name = "FILE", help_heading = "Trust")]
    pub ca_cert: Option<PathBuf>,

    /// The fingerprint of the cluster's CA, as 'ece-agent ca show' prints it
    #[arg(
        long,
        env = "ECE_AGENT_CA_FINGERPRINT",
        value_delimiter = ',',
        value_name = "sha256:…",
        help_heading = "Trust"
    )]
    pub ca_fingerprint: Vec<String>,

    /// The host's name in the cluster [default: its IP address]
    #[arg(long, env = "ECE_AGENT_RUNNER_ID", value_name = "ID", help_heading = "Host")]
    pub runner_id: Option<String>,

    /// The host's IP address [default: the one that routes to the coordinator]
    #[arg(long, env = "ECE_AGENT_HOST_IP", value_name = "IP", help_heading = "Host")]
    pub host_ip: Option<String>,

    /// The availability zone [default: ece-zone-1]
    #[arg(long, env = "ECE_AGENT_AVAILABILITY_ZONE", value_name = "ZONE", help_heading = "Host")]
    pub availability_zone: Option<String>,

    /// Memory that the allocator offers, in MB, at least 8192 [default: by ECE's rule]
    #[arg(long, env = "ECE_AGENT_CAPACITY", value_name = "MB", help_heading = "Host")]
    pub capacity: Option<String>,

    /// Where data, logs and secrets go [default: /mnt/data/elastic]
    #[arg(long, env = "ECE_AGENT_HOST_STORAGE_PATH", value_name = "DIR", help_heading = "Host")]
    pub host_storage_path: Option<PathBuf>,

    /// Labels of the allocator
    #[arg(
        long,
        env = "ECE_AGENT_ALLOCATOR_TAGS",
        value_name = "KEY:VALUE,…",
        help_heading = "Host"
    )]
    pub allocator_tags: Option<String>,

    /// Labels of the proxy
    #[arg(long, env = "ECE_AGENT_PROXY_TAGS", value_name = "KEY:VALUE,…", help_heading = "Host")]
    pub proxy_tags: Option<String>,

    /// A further name under which others reach this coordinator
    #[arg(
        long,
        env = "ECE_AGENT_EXTERNAL_HOSTNAME",
        value_delimiter = ',',
        value_name = "NAME",
        help_heading = "Host"
    )]
    pub external_hostname: Vec<String>,

    /// Where a coordinator serves its metrics [default: 127.0.0.1:12346]
    #[arg(long, env = "ECE_AGENT_METRICS_LISTEN", value_name = "IP:PORT", help_heading = "Host")]
    pub metrics_listen: Option<String>,

    /// Where the host keeps who it is [default: /var/lib/ece-agent for root,
    /// ~/.local/state/ece-agent for others]
    #[arg(long, env = "ECE_AGENT_STATE_DIR", value_name = "DIR", help_heading = "Running")]
    pub state_dir: Option<PathBuf>,

    /// Go on as the daemon in this process
    #[arg(long, env = "ECE_AGENT_FOREGROUND", value_parser = Boolish::new(), help_heading = "Running")]
    pub foreground: bool,

    /// Seconds to wait for a coordinator that is not up yet [default: 0]
    #[arg(
        long,
        env = "ECE_AGENT_WAIT_FOR_COORDINATOR",
        value_name = "SECONDS",
        help_heading = "Running"
    )]
    pub wait_for_coordinator: Option<String>,

    /// Do not wait until the coordinator sees the host connected
    #[arg(long, env = "ECE_AGENT_NO_WAIT", value_parser = Boolish::new(), help_heading = "Running")]
    pub no_wait: bool,

    /// Say what would be done, and do nothing
    #[serde(skip)]
    #[arg(long, env = "ECE_AGENT_DRY_RUN", value_parser = Boolish::new(), help_heading = "Running")]
    pub dry_run: bool,

    /// Seconds to wait until the coordinator sees the host connected [default: 60]
    #[arg(long, env = "ECE_AGENT_TIMEOUT", value_name = "SECONDS", help_heading = "Running")]
    pub timeout: Option<String>,

    /// Multiplies the timeout
    #[arg(long, env = "ECE_AGENT_TIMEOUT_FACTOR", value_name = "FACTOR", help_heading = "Running")]
    pub timeout_factor: Option<String>,

    /// Go on when a check of the machine fails
    #[arg(long, env = "ECE_AGENT_FORCE", value_parser = Boolish::new(), help_heading = "Running")]
    pub force: bool,

    /// Also print the passwords and tokens of a first host, which are in a file else
    #[serde(skip)]
    #[arg(long, help_heading = "Running")]
    pub show_secrets: bool,

    /// Checks of the machine not to make, by their codes
    #[arg(
        long,
        env = "ECE_AGENT_SKIP",
        value_delimiter = ',',
        value_name = "CODE",
        help_heading = "Running"
    )]
    pub skip: Vec<String>,

    /// Take the place of a host with the same runner id that is gone, with a token that may
    #[serde(skip)]
    #[arg(long, help_heading = "Running")]
    pub replace: bool,

    /// Give this host, which was removed from its cluster or copied from another, a new key
    #[serde(skip)]
    #[arg(long, help_heading = "Running")]
    pub new_identity: bool,

    /// Print events as JSON lines
    #[serde(skip)]
    #[arg(long, help_heading = "Running")]
    pub json: bool,

    /// A TOML file whose keys are the names of these flags
    #[serde(skip)]
    #[arg(long, env = "ECE_AGENT_CONFIG_FILE", value_name = "FILE", help_heading = "Running")]
    pub config_file: Option<PathBuf>,

    #[command(flatten)]
    #[serde(flatten)]
    pub without_effect: WithoutEffect,
}

/// Flags of ECE's installer that concern its containers. They are taken and do nothing.
#[derive(Args, Deserialize, Default, Clone)]
#[serde(rename_all = "kebab-case", default)]
pub struct WithoutEffect {
    #[arg(long, hide = true)]
    pub host_docker_host: Option<String>,
    #[arg(long, hide = true)]
    pub docker_registry: Option<String>,
    #[arg(long, hide = true)]
    pub ece_docker_repository: Option<String>,
    #[arg(long, hide = true)]
    pub cloud_enterprise_version: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub memory_settings: Option<String>,
    #[arg(long, hide = true)]
    pub api_base_url: Option<String>,
    #[arg(long, hide = true)]
    pub overwrite_existing_image: bool,
    #[arg(long, hide = true)]
    pub debug: bool,
    #[arg(long, hide = true)]
    pub podman: bool,
    #[arg(long, hide = true)]
    pub selinux: bool,
}

impl WithoutEffect {
    /// The names of those that were given.
    pub fn given(&self) -> Vec<String> {
        [
            ("--host-docker-host", self.host_docker_host.is_some()),
            ("--docker-registry", self.docker_registry.is_some()),
            ("--ece-docker-repository", self.ece_docker_repository.is_some()),
            ("--cloud-enterprise-version", self.cloud_enterprise_version.is_some()),
            ("--memory-settings", self.memory_settings.is_some()),
            ("--api-base-url", self.api_base_url.is_some()),
            ("--overwrite-existing-image", self.overwrite_existing_image),
            ("--debug", self.debug),
            ("--podman", self.podman),
            ("--selinux", self.selinux),
        ]
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| name.to_owned())
        .collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    #[error("the config file {0} cannot be read: {1}")]
    Io(PathBuf, std::io::Error),
    #[error("the config file {0} is not valid: {1}")]
    Invalid(PathBuf, String),
}

impl InstallArguments {
    /// Fills what flags and variables leave open from the config file: the one that was named,
    /// which must be there, or `default`, which need not be.
    pub fn with_config_file(self, default: &Path) -> Result<Self, ConfigFileError> {
        let (file, must_exist) = match &self.config_file {
            Some(file) => (file.clone(), true),
            None => (default.to_owned(), false),
        };
        let content = files::read_limited(&file, MAX_CONFIG)
            .map_err(|error| ConfigFileError::Io(file.clone(), error))?;
        let Some(content) = content else {
            let missing = std::io::Error::other("it is not there");
            return if must_exist { Err(ConfigFileError::Io(file, missing)) } else { Ok(self) };
        };
        let text = std::str::from_utf8(&content)
            .map_err(|error| ConfigFileError::Invalid(file.clone(), error.to_string()))?;
        let from_file: Self = toml::from_str(text)
            .map_err(|error| ConfigFileError::Invalid(file.clone(), error.message().to_owned()))?;
        Ok(self.over(from_file))
    }

    /// Whether they are about joining a cluster, and not about the first host of one.
    pub fn joins(&self) -> bool {
        let with_token = self.roles_token.is_some() || self.roles_token_file.is_some();
        with_token || !self.coordinator_host.is_empty()
    }

    pub(super) fn over(self, below: Self) -> Self {
        let list = |mine: Vec<String>, other| if mine.is_empty() { other } else { mine };
        Self {
            coordinator_host: list(self.coordinator_host, below.coordinator_host),
            roles_token_file: match self.roles_token {
                Some(_) => None,
                None => self.roles_token_file.or(below.roles_token_file),
            },
            roles_token: self.roles_token,
            roles: self.roles.or(below.roles),
            ca_cert: self.ca_cert.or(below.ca_cert),
            ca_fingerprint: list(self.ca_fingerprint, below.ca_fingerprint),
            runner_id: self.runner_id.or(below.runner_id),
            host_ip: self.host_ip.or(below.host_ip),
            availability_zone: self.availability_zone.or(below.availability_zone),
            capacity: self.capacity.or(below.capacity),
            host_storage_path: self.host_storage_path.or(below.host_storage_path),
            allocator_tags: self.allocator_tags.or(below.allocator_tags),
            proxy_tags: self.proxy_tags.or(below.proxy_tags),
            external_hostname: list(self.external_hostname, below.external_hostname),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            state_dir: self.state_dir.or(below.state_dir),
            foreground: self.foreground || below.foreground,
            timeout: self.timeout.or(below.timeout),
            timeout_factor: self.timeout_factor.or(below.timeout_factor),
            force: self.force || below.force,
            wait_for_coordinator: self.wait_for_coordinator.or(below.wait_for_coordinator),
            no_wait: self.no_wait || below.no_wait,
            dry_run: self.dry_run,
            skip: list(self.skip, below.skip),
            show_secrets: self.show_secrets,
            replace: self.replace,
            new_identity: self.new_identity,
            json: self.json,
            config_file: self.config_file,
            without_effect: self.without_effect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(content: &str, flags: InstallArguments) -> Result<InstallArguments, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config.toml");
        std::fs::write(&file, content).expect("written");
        flags.with_config_file(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let flags = InstallArguments { roles: Some("proxy".into()), ..Default::default() };
        let file = "roles = 'allocator'\navailability-zone = 'z'\ncoordinator-host = ['a', 'b']\n";
        let merged = with_file(file, flags).expect("valid");
        assert_eq!(merged.roles.as_deref(), Some("proxy"));
        assert_eq!(merged.availability_zone.as_deref(), Some("z"));
        assert_eq!(merged.coordinator_host, ["a", "b"]);
    }

    #[test]
    fn an_unknown_key_and_a_token_in_the_file_are_errors() {
        for file in ["role = 'allocator'", "roles-token = 'x'"] {
            let error = with_file(file, InstallArguments::default()).err().expect(file);
            assert!(error.contains("unknown field"), "{error}");
        }
    }

    #[test]
    fn only_a_file_that_was_named_must_be_there() {
        let missing = Path::new("/no/such/file");
        assert!(InstallArguments::default().with_config_file(missing).is_ok());
        let named = InstallArguments { config_file: Some(missing.into()), ..Default::default() };
        assert!(named.with_config_file(missing).is_err());
    }
}
