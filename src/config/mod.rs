//! What flags, variables and the config file say, turned into what is valid. Every mistake is
//! reported at once.

mod build;
mod flags;
mod host_file;
mod kept;
mod mistake;
mod options;
mod raw;
mod route;
mod settings;
mod state_dir;
mod token_file;

pub use host_file::{Difference, edited};
pub use mistake::Mistake;
pub use options::{
    CheckOptions, FirstHostOptions, InstallOptions, JoinOptions, Membership, Purpose, StayOptions,
    only_address,
};
pub use raw::{ConfigFileError, InstallArguments};
pub use route::JoinRoute;
pub use settings::{GivenSettings, HostSettings, SettingArguments};
pub use state_dir::{StateDir, default_state_dir};
pub use token_file::{TokenError, read_standard_input, read_token};

/// Reads a TOML text; what is wrong with it, in words.
pub fn read_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// A value as TOML.
pub fn toml_text(value: &impl serde::Serialize) -> String {
    toml::to_string(value).expect("plain data")
}
