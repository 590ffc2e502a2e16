//! What flags, variables and the config file say, turned into what is valid. Every mistake is
//! reported at once.

mod build;
mod flags;
mod from_file;
mod given_token;
mod host_file;
mod kept;
mod mistake;
mod options;
mod raw;
mod route;
mod seen;
mod settings;
mod state_dir;
mod token_file;
mod toml_file;

pub use from_file::FromFile;
pub use given_token::GivenToken;
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
pub use toml_file::{read_toml, toml_text};

#[cfg(test)]
mod tests;
