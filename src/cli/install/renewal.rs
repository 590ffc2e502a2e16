//! `install --new-identity`: what stays of the host that there was.

use std::{fs, path::Path};

use super::{drift::is_address_of_this_machine, installation::Installation};
use crate::{
    agent::{
        IdentityError, Journal, Phase, load_identity, load_key, load_own_identity, not_writable,
        roles_today,
    },
    cli::own_state_dir,
    config::{
        FirstHostOptions, HostSettings, InstallArguments, InstallOptions, Membership, Purpose,
        StateDir,
    },
    daemon::cluster_must_be_there,
    model::{Failure, RoleSet},
    token::UnverifiedToken,
};

/// What the host is already. A first host stays one with a new identity too; a host that had
/// joined has to be let in again.
pub(super) fn membership(state: &StateDir, new_identity: bool) -> Membership {
    match load_identity(state) {
        Ok(Some(identity)) if identity.first_host && new_identity => Membership::None,
        Ok(Some(identity)) if identity.first_host => Membership::FirstHost,
        Ok(Some(_)) if new_identity => Membership::Former,
        Ok(Some(_)) => Membership::Joined,
        Ok(None) | Err(_) if has_datastore(state) => Membership::None,
        Ok(None) if was_a_member(state) => Membership::Former,
        Ok(None) | Err(_) if new_identity => Membership::Former,
        Ok(None) | Err(_) => Membership::None,
    }
}

fn has_datastore(state: &StateDir) -> bool {
    state.coordinator().join("store.db").metadata().is_ok_and(|found| found.len() > 0)
}

fn was_a_member(state: &StateDir) -> bool {
    let journal = Journal::load(state).ok().flatten();
    journal.is_some_and(|journal| journal.phase == Phase::Enrolled)
}

/// Whether the cluster's data is here, or was.
fn is_first_host(state: &StateDir) -> bool {
    match load_identity(state) {
        Ok(Some(identity)) => identity.first_host,
        Ok(None) | Err(_) => has_datastore(state),
    }
}

/// The first host of a cluster gets its new key from its own datastore, whatever token is given;
/// whether one was.
pub(super) fn stays_with_its_cluster(options: &mut InstallOptions) -> bool {
    let joins = matches!(options.purpose, Purpose::Join(_));
    if !options.new_identity || !joins || !is_first_host(&options.state_dir) {
        return false;
    }
    let roles = match options.roles_given {
        true => options.purpose.roles().clone(),
        false => RoleSet::all(),
    };
    options.purpose = Purpose::FirstHost(FirstHostOptions { roles });
    true
}

/// Fills what is not given from the settings that the host has had, if they are the caller's own.
pub(super) fn with_settings_kept(arguments: InstallArguments) -> InstallArguments {
    if !arguments.new_identity {
        return arguments;
    }
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    let Ok(Some(identity)) = load_own_identity(&state) else { return arguments };
    let mut settings: HostSettings = identity.settings.clone();
    // A copy of another machine's disk has an address of its own.
    settings.host_ip = settings.host_ip.filter(|ip| is_address_of_this_machine(*ip));
    let roles = roles_today(&state, &identity);
    let mut kept = arguments.over_settings(&settings);
    if kept.roles.is_none() && !roles.is_empty() {
        kept.roles = Some(roles.to_string());
    }
    kept
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
            Ok(_) | Err(IdentityError::Damaged(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match &self.options.purpose {
            Purpose::FirstHost(_) if self.options.new_identity && is_first_host(state) => {
                cluster_must_be_there(state)
            }
            _ => Ok(()),
        }
    }

    /// A daemon that is refused is not stopped before it is known that something better follows.
    pub(super) async fn check_way_ahead(&self) -> Result<(), Failure> {
        self.check_replaceable()?;
        self.check_token()?;
        let Purpose::Join(join) = &self.options.purpose else { return Ok(()) };
        let token = UnverifiedToken::parse(join.token.0.expose())?;
        let reach = self.reach_coordinator(&join.route(token.claims())?).await;
        match reach.and_then(|reach| reach.failed) {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }
}

/// What is damaged can be no reason to go on with it; whether something was.
pub(super) fn set_damaged_aside(state: &StateDir) -> Result<bool, Failure> {
    let aside = |file: &Path, place: &Path| {
        fs::rename(file, place).map(|()| true).map_err(|error| not_writable(file, error))
    };
    let identity = match load_identity(state) {
        Err(IdentityError::Damaged(file)) => aside(&file, &state.damaged_identity())?,
        _ => false,
    };
    let key = match load_key(state) {
        Err(IdentityError::Damaged(file)) => aside(&file, &state.damaged_key())?,
        _ => false,
    };
    Ok(identity || key)
}
