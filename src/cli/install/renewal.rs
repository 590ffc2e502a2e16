//! `install --new-identity`: what stays of the host that there was.

use std::{fs, path::Path};

use super::{Installation, drift::is_address_of_this_machine};
use crate::{
    agent::{IdentityError, load_identity, load_key, load_own_identity, not_writable},
    cli::own_state_dir,
    config::{HostSettings, InstallArguments, Purpose, StateDir},
    model::Failure,
};

/// Fills what is not given from the settings that the host has had, if they are the caller's own.
pub(super) fn with_settings_kept(arguments: InstallArguments) -> InstallArguments {
    if !arguments.new_identity {
        return arguments;
    }
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    let Ok(Some(identity)) = load_own_identity(&state) else { return arguments };
    let mut settings: HostSettings = identity.settings;
    // A copy of another machine's disk has an address of its own.
    settings.host_ip = settings.host_ip.filter(|ip| is_address_of_this_machine(*ip));
    arguments.over_settings(&settings)
}

impl Installation<'_> {
    /// What a new identity cannot take the place of, said before anything is done.
    pub(super) fn check_replaceable(&self) -> Result<(), Failure> {
        let state = &self.options.state_dir;
        match load_identity(state) {
            Ok(_) | Err(IdentityError::Damaged(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match load_key(state) {
            Err(IdentityError::Damaged(_)) if matches!(self.options.purpose, Purpose::Join(_)) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        Ok(())
    }
}

/// What is damaged can be no reason to go on with it; whether something was.
pub(super) fn set_damaged_aside(state: &StateDir, joins: bool) -> Result<bool, Failure> {
    let aside = |file: &Path, place: &Path| {
        fs::rename(file, place).map(|()| true).map_err(|error| not_writable(file, error))
    };
    let identity = match load_identity(state) {
        Err(IdentityError::Damaged(file)) => aside(&file, &state.damaged_identity())?,
        _ => false,
    };
    // The cluster of a first host knows it by this key alone.
    let key = match load_key(state) {
        Err(IdentityError::Damaged(file)) if joins => aside(&file, &state.damaged_key())?,
        _ => false,
    };
    Ok(identity || key)
}
