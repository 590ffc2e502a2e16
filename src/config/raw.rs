use std::path::{Path, PathBuf};

use clap::{Args, builder::BoolishValueParser as Boolish};
use serde::Deserialize;

use super::{
    FromFile, SettingArguments,
    flags::{FlagValue, flags},
    read_toml,
};
use crate::rt::files;

const MAX_CONFIG: u64 = 1 << 20;

flags! {
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
        #[arg(
            long,
            env = "ECE_AGENT_ROLES",
            value_name = "ROLES",
            value_hint = clap::ValueHint::Other,
            help_heading = "Joining"
        )]
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

        #[command(flatten)]
        #[serde(flatten)]
        pub settings: SettingArguments,

        /// Where the host keeps who it is [default: /var/lib/ece-agent for root and the service's
        /// user, ~/.local/state/ece-agent for others]
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

        /// What of all this the config file says.
        #[serde(skip)]
        #[arg(skip)]
        pub from_file: FromFile,
    }
}

flags! {
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
        let below: Self =
            read_toml(text).map_err(|reason| ConfigFileError::Invalid(file.clone(), reason))?;
        let given = self.flags_given("");
        let mut flags = below.flags_given("");
        flags.retain(|flag| !given.contains(flag));
        Ok(Self { from_file: FromFile { file, flags }, ..self.over(below) })
    }

    /// Whether they are about joining a cluster, and not about the first host of one.
    pub fn joins(&self) -> bool {
        let with_token = self.roles_token.is_some() || self.roles_token_file.is_some();
        with_token || !self.coordinator_host.is_empty()
    }

    pub(super) fn over(self, mut below: Self) -> Self {
        if self.roles_token.is_some() {
            below.roles_token_file = None;
        }
        // Who gives them is told of it.
        below.without_effect = WithoutEffect::default();
        FlagValue::over(self, below)
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
        assert_eq!(merged.settings.availability_zone.as_deref(), Some("z"));
        assert_eq!(merged.coordinator_host, ["a", "b"]);
    }

    #[test]
    fn an_unknown_key_and_a_token_in_the_file_are_errors() {
        for file in ["role = 'allocator'", "roles-token = 'x'"] {
            let error = with_file(file, InstallArguments::default()).err().expect(file);
            assert!(error.contains("config.toml is not valid: line 1: there is no key"), "{error}");
        }
    }

    #[test]
    fn what_a_file_says_is_told_as_the_files() {
        let flags = InstallArguments { roles: Some("proxy".into()), ..Default::default() };
        let merged = with_file("roles = 'allocator'\ncapacity = '1'\n", flags).expect("valid");
        let of = |flag| merged.from_file.source(flag);
        let (roles, capacity) = (of("--roles"), of("--capacity"));
        assert!(roles == "--roles" && capacity.starts_with("capacity in /"), "{roles}, {capacity}");
        let mistakes = merged.build("/state".into(), crate::config::Membership::None);
        let mistakes = mistakes.expect_err("too little");
        let capacity = format!("{capacity}: it is in MB");
        assert!(mistakes.iter().any(|it| it.to_string().starts_with(&capacity)), "{capacity}");
    }

    #[test]
    fn only_a_file_that_was_named_must_be_there() {
        let missing = Path::new("/no/such/file");
        assert!(InstallArguments::default().with_config_file(missing).is_ok());
        let named = InstallArguments { config_file: Some(missing.into()), ..Default::default() };
        assert!(named.with_config_file(missing).is_err());
    }

    /// Flags of one call, or of somebody who is asked each time.
    const WITHOUT_VARIABLE: [&str; 5] =
        ["json", "new-identity", "replace", "roles-token", "show-secrets"];
    const WITHOUT_KEY: [&str; 7] = [
        "config-file",
        "dry-run",
        "json",
        "new-identity",
        "replace",
        "roles-token",
        "show-secrets",
    ];

    fn flags_without(has: impl Fn(&clap::Arg, &str) -> bool) -> Vec<String> {
        let command = InstallArguments::augment_args(clap::Command::new("install"));
        let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
        let mut without: Vec<String> = shown
            .map(|flag| (flag, flag.get_long().expect("a long name")))
            .filter(|(flag, name)| !has(flag, name))
            .map(|(_, name)| name.to_owned())
            .collect();
        without.sort_unstable();
        without
    }

    #[test]
    fn a_flag_a_variable_and_a_key_go_by_one_name() {
        let has_variable = |flag: &clap::Arg, name: &str| {
            let expected = crate::config::flags::variable_of(name);
            flag.get_env().is_some_and(|variable| {
                assert_eq!(variable.to_str(), Some(&*expected));
                true
            })
        };
        assert_eq!(flags_without(has_variable), WITHOUT_VARIABLE);
        let has_key = |_: &clap::Arg, name: &str| {
            let mut files =
                ["'x'", "['x']", "true"].map(|value| format!("{name} = {value}")).into_iter();
            files.any(|file| {
                let read = toml::from_str::<InstallArguments>(&file);
                read.is_ok_and(|read| read.flags_given("") == [format!("--{name}")])
            })
        };
        assert_eq!(flags_without(has_key), WITHOUT_KEY);
        let settings = super::super::GivenSettings::default().in_words();
        let keys: Vec<&str> = settings.iter().map(|setting| setting.key).collect();
        let other = flags_without(|_, name| keys.contains(&name));
        let all = flags_without(|_, _| false);
        assert_eq!(other.len() + keys.len(), all.len(), "each setting is a flag");
    }

    #[test]
    fn a_flag_without_effect_is_named_as_it_was_given() {
        let given = WithoutEffect {
            docker_registry: Some("x".into()),
            selinux: true,
            ..WithoutEffect::default()
        };
        assert_eq!(given.flags_given(""), ["--docker-registry", "--selinux"]);
    }
}
