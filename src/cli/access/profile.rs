//! The file that says how a person reaches a cluster, so that flags need not.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    cli::{shell_word, state_dir_flag},
    config::{StateDir, read_toml, toml_text},
    model::{Code, Failure, Fingerprint},
    rt::files,
};

const MAX_FILE: u64 = 1 << 20;

const KEYS: &str = "coordinator-host, user, password-file, api-key-file, ca-cert, ca-fingerprint";

/// What a profile says, by the names of the flags.
#[derive(Debug, Default, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinator_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<Fingerprint>,
}

/// The profile that is used where none is named; `None` without a home directory. A relative one
/// would be wherever the command is called.
pub fn default_profile() -> Option<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())?;
    Some(home.join(".config/ece-agent/profile.toml"))
}

/// The flag for a verb of the API, which goes by a profile if there is one.
pub fn state_dir_flag_beside_profile(state: &StateDir) -> String {
    match default_profile().is_some_and(|file| file.exists()) {
        true => format!(" --state-dir {}", shell_word(&state.path().to_string_lossy())),
        false => state_dir_flag(state),
    }
}

impl Profile {
    /// Reads it; `None` if it is not there.
    pub fn load(file: &Path) -> Result<Option<Self>, Failure> {
        let content = files::read_limited(file, MAX_FILE);
        let Some(content) = content.map_err(|error| failed(file, &error.to_string()))? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&content).map_err(|it| failed(file, &it.to_string()))?;
        read_toml(text).map(Some).map_err(|reason| failed(file, &reason))
    }

    /// Makes the directory that a profile lies in; one that is there stays as it is.
    pub fn make_place(file: &Path) -> Result<(), Failure> {
        let dir = file.parent().unwrap_or(file);
        files::create_private_dir(dir).map_err(|error| not_written(dir, &error))
    }

    /// Writes it for its owner's eyes.
    pub fn save(&self, file: &Path) -> Result<(), Failure> {
        let text = format!("# Written by 'ece-agent login'.\n{}", toml_text(self));
        files::write_private(file, text.as_bytes()).map_err(|error| not_written(file, &error))
    }
}

pub fn failed(file: &Path, reason: &str) -> Failure {
    let message = format!("the profile {}: {reason}", file.display());
    Failure::new(Code::ProfileInvalid, message).with_fix(format!(
        "Correct the file, whose keys are {KEYS}, or write it anew: 'ece-agent login'."
    ))
}

pub fn not_written(file: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::StateNotWritable, format!("{}: {error}", file.display()))
        .with_fix("Correct owner, permissions or space, or name another file with --profile.")
}
