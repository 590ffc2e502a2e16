//! Flags of verbs that ask the API, and of those that write down how it is asked.

use std::path::{Path, PathBuf};

use super::profile::default_profile;
use crate::{
    cli::known_host::KnownHost,
    model::{Code, Failure, Fingerprint},
    rt::files,
    tls::fingerprint_of_pem,
};

const MAX_CA_FILE: u64 = 1 << 20;

#[derive(clap::Args)]
pub struct AskerArguments {
    /// Who asks [default: admin]
    #[arg(long, env = "ECE_AGENT_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// A file that holds the password; '-' asks for it [default on the first host: what install
    /// left]
    #[arg(long, env = "ECE_AGENT_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// By what a coordinator is known as the right one.
#[derive(clap::Args)]
pub struct PinArguments {
    /// A PEM file with the cluster's CA
    #[arg(long, env = "ECE_AGENT_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// The fingerprint of the cluster's CA, as 'ece-agent ca show' prints it
    #[arg(long, env = "ECE_AGENT_CA_FINGERPRINT", value_name = "sha256:…")]
    ca_fingerprint: Option<Fingerprint>,
}

#[derive(clap::Args)]
pub struct ProfileArgument {
    /// The profile, beside which the key lies [default: ~/.config/ece-agent/profile.toml]
    #[arg(long, env = "ECE_AGENT_PROFILE", value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

impl PinArguments {
    pub fn is_given(&self) -> bool {
        self.ca_cert.is_some() || self.ca_fingerprint.is_some()
    }

    /// These, or what a file says where none was given.
    pub fn or(self, ca_cert: Option<PathBuf>, ca_fingerprint: Option<Fingerprint>) -> Self {
        match self.is_given() {
            true => self,
            false => Self { ca_cert, ca_fingerprint },
        }
    }

    /// The pins that were given, or else those of a host that is known.
    pub fn pins(self, known: Option<&KnownHost>) -> Result<Vec<Fingerprint>, Failure> {
        match (self.ca_cert, self.ca_fingerprint, known) {
            (Some(file), ..) => Ok(vec![pin_of_file(&file)?]),
            (None, Some(pin), _) => Ok(vec![pin]),
            (None, None, Some(host)) if !host.pins.is_empty() => Ok(host.pins.clone()),
            (None, None, _) => {
                let message = "nothing says which coordinator is the right one: give --ca-fingerprint or --ca-cert";
                Err(Failure::new(Code::TrustNoPin, message))
            }
        }
    }
}

impl ProfileArgument {
    pub fn file(self) -> Result<PathBuf, Failure> {
        let file = self.profile.or_else(default_profile).ok_or_else(|| {
            Failure::new(
                Code::ConfigInvalid,
                "there is no home directory for a profile: HOME is not an absolute path",
            )
            .with_fix("Name a file with --profile.")
        })?;
        Ok(std::path::absolute(&file).unwrap_or(file))
    }
}

fn pin_of_file(file: &Path) -> Result<Fingerprint, Failure> {
    let unreadable = |reason: String| {
        Failure::new(Code::TrustCaUnreadable, format!("{}: {reason}", file.display()))
    };
    let pem = files::read_limited(file, MAX_CA_FILE)
        .map_err(|error| unreadable(error.to_string()))?
        .ok_or_else(|| unreadable("it is not there".into()))?;
    fingerprint_of_pem(&pem).map_err(|error| unreadable(error.to_string()))
}
