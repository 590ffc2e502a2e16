//! What flags, variables and the config file say, turned into what is valid. Every mistake is
//! reported at once.

mod install;
mod raw;
mod state_dir;

pub use install::{
    FirstHostOptions, HostSettings, InstallOptions, JoinOptions, Mistake, Purpose, TokenError,
    only_address, read_token,
};
pub use raw::{ConfigFileError, InstallArguments};
pub use state_dir::{StateDir, default_state_dir};
