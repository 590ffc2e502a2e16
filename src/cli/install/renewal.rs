//! `install --new-identity`: what stays of the host that there was.

use std::{fs, path::Path, time::Duration};

use super::{drift::is_address_of_this_machine, installation::Installation};
use crate::{
    agent::{
        Identity, IdentityError, Journal, Phase, load_identity, load_key, load_own_identity,
        not_writable, roles_today,
    },
    cli::{
        event::Event,
        known_host::{KnownHost, noted_by_root, other_owner},
        output::Output,
        own_state_dir,
        service_child::{HostChildArguments, ServiceChild},
        service_layout::runs_as_service,
    },
    config::{
        FirstHostOptions, HostSettings, InstallArguments, InstallOptions, Membership, Purpose,
        StateDir,
    },
    daemon::cluster_must_be_there,
    host::service::service_user,
    model::{CoordinatorLayout, Exit, Failure, RoleSet, RunnerId},
};

/// What the host is already. What root has noted of it goes before what the service user has, or
/// has lost: a host is not made the first of a cluster, nor one of another, by what is missing.
pub(super) fn membership(state: &StateDir, new_identity: bool) -> Result<Membership, Failure> {
    let said = said_by_its_files(state, new_identity);
    let noted = noted_by_root(state)?;
    Ok(noted.map_or(said, |noted| within_cluster(noted.first_host, said)))
}

fn within_cluster(first_host: bool, said: Membership) -> Membership {
    match (first_host, said) {
        (false, Membership::Joined) => Membership::Joined,
        (false, _) => Membership::Former,
        (true, Membership::FirstHost | Membership::Joined) => Membership::FirstHost,
        // Its datastore says who it is, and has to be there.
        (true, Membership::None | Membership::Former) => Membership::None,
    }
}

/// A first host stays one with a new identity too; a host that had joined has to be let in again.
fn said_by_its_files(state: &StateDir, new_identity: bool) -> Membership {
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

/// What is the first host by root's own file begins no other cluster.
pub(super) fn keeps_its_cluster(options: &InstallOptions) -> Result<(), Failure> {
    let Purpose::FirstHost(_) = options.purpose else { return Ok(()) };
    match noted_by_root(&options.state_dir)? {
        Some(_) => cluster_must_be_there(&options.state_dir),
        None => Ok(()),
    }
}

fn has_datastore(state: &StateDir) -> bool {
    let store = CoordinatorLayout::of(&state.coordinator()).store();
    store.metadata().is_ok_and(|found| found.len() > 0)
}

fn was_a_member(state: &StateDir) -> bool {
    let journal = Journal::load(state).ok().flatten();
    journal.is_some_and(|journal| journal.phase == Phase::Enrolled)
}

/// Whether the cluster's data is here, or was.
fn is_first_host(state: &StateDir) -> bool {
    if let Ok(Some(noted)) = noted_by_root(state) {
        return noted.first_host;
    }
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
    options.purpose = Purpose::FirstHost(FirstHostOptions { roles, plan_key: None });
    true
}

/// Fills what is not given from what the host has been. The settings of a service are in its config
/// file; what else there is of it is in a file of its user.
pub(super) fn with_settings_kept(arguments: InstallArguments, output: Output) -> InstallArguments {
    if !arguments.new_identity {
        return arguments;
    }
    let state = StateDir::new(arguments.state_dir.clone().unwrap_or_else(own_state_dir));
    if runs_as_service(&state) && other_owner(&state).is_some() {
        let Some(former) = said_by_service_user(&state) else { return arguments };
        let (former, others) = former.within(&KnownHost::roles_of_service());
        if arguments.roles.is_none() && !others.is_empty() {
            output.note(&format!(
                "the host says that it had {}, too, which it was not installed with: --roles asks for them",
                others.in_words()
            ));
        }
        return former.below(arguments);
    }
    let Ok(Some(identity)) = load_own_identity(&state) else { return arguments };
    let mut settings: HostSettings = identity.settings.clone();
    // A copy of another machine's disk has an address of its own.
    settings.host_ip = settings.host_ip.filter(|ip| is_address_of_this_machine(*ip));
    Former::of(&state, &identity).below(arguments.over_settings(&settings))
}

/// What a host would be again. Token and coordinator say whether it may.
struct Former {
    roles: RoleSet,
    runner_id: Option<RunnerId>,
}

impl Former {
    fn of(state: &StateDir, identity: &Identity) -> Self {
        // The name of a copy is that of the machine it is a copy of.
        let is_named = identity.runner_id.as_str() != identity.host_ip.to_string();
        let is_here = is_address_of_this_machine(identity.host_ip);
        Self {
            roles: roles_today(state, identity),
            runner_id: (is_named && is_here).then(|| identity.runner_id.clone()),
        }
    }

    /// The same with no roles but those that root has asked for before, and which others it named:
    /// the service user may not choose among a token's.
    fn within(self, allowed: &RoleSet) -> (Self, RoleSet) {
        let others = self.roles.beyond(allowed);
        (Self { roles: self.roles.beyond(&others), ..self }, others)
    }

    fn below(self, mut given: InstallArguments) -> InstallArguments {
        if given.roles.is_none() && !self.roles.is_empty() {
            given.roles = Some(self.roles.to_string());
        }
        given.runner_id = given.runner_id.or(self.runner_id.map(|id| id.to_string()));
        given
    }
}

/// What the child is called with.
pub const FORMER_VERB: &str = "tell-former-host";

/// How long the child may take.
const LONGEST: Duration = Duration::from_secs(10);

/// What a process does that root has started as the service user.
pub fn tell_former(arguments: HostChildArguments, output: Output) -> Result<Exit, Failure> {
    let (state, identity) = arguments.become_user()?;
    let Former { roles, runner_id } = Former::of(&state, &identity);
    output.tell(&Event::Former { roles, runner_id });
    Ok(Exit::Success)
}

/// A host of which this cannot be read is one that has nothing to keep.
fn said_by_service_user(state: &StateDir) -> Option<Former> {
    let user = service_user().ok().flatten()?;
    let arguments = HostChildArguments::of(FORMER_VERB, state);
    let child = ServiceChild::start_this(user, &arguments, LONGEST).ok()?;
    match child.next_event() {
        Ok(Some(Event::Former { roles, runner_id })) => Some(Former { roles, runner_id }),
        _ => None,
    }
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
        let token = join.token.says()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_user_gets_no_roles_that_root_has_not_asked_for() {
        let roles = |text: &str| text.parse::<RoleSet>().expect("roles");
        let asked = |said: &str, allowed: RoleSet| {
            let former = Former { roles: roles(said), runner_id: None };
            let (former, others) = former.within(&allowed);
            (former.below(InstallArguments::default()).roles, others)
        };
        let all = asked("allocator,proxy,coordinator", roles("allocator,proxy"));
        assert_eq!(all, (Some("allocator,proxy".into()), roles("coordinator")));
        assert_eq!(asked("proxy", roles("allocator,proxy")), (Some("proxy".into()), roles("")));
        assert_eq!(asked("proxy", RoleSet::default()), (None, roles("proxy")));
    }

    #[test]
    fn no_host_that_root_knows_becomes_another_by_what_its_own_files_say_or_lack() {
        use Membership::{FirstHost, Former, Joined, None};
        for (first_host, said, is) in [
            (false, None, Former),
            (false, FirstHost, Former),
            (false, Former, Former),
            (false, Joined, Joined),
            (true, None, None),
            (true, Former, None),
            (true, FirstHost, FirstHost),
            (true, Joined, FirstHost),
        ] {
            assert_eq!(within_cluster(first_host, said), is, "{first_host} {said:?}");
        }
    }
}
