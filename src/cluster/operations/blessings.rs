//! Blessings: which hosts have a role by its name.

use std::collections::HashSet;

use super::roles::{BlessError, Definition, SetRolesError, WantedRoles, change_roles};
use crate::{
    cluster::{app::App, change::Origin},
    model::RunnerId,
};

/// What is to become of a host's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blessing {
    Given,
    Taken,
}

/// Gives a host a role by its name, or takes it, and leaves all others as they are. Nothing is done
/// if the role is not as it is defined there any more.
pub async fn bless(
    app: &App,
    origin: &Origin,
    runner: &RunnerId,
    (name, blessing): (&str, Blessing),
    definition: Option<Definition<'_>>,
) -> Result<(), BlessError> {
    let one = &WantedRoles::from_names([name])?;
    change_roles(app, origin, runner, definition, |host| {
        let (mut roles, mut other) = (host.roles.clone(), host.other_roles.clone());
        for role in one.roles.iter() {
            if blessing == Blessing::Given { roles.insert(role) } else { roles.remove(role) }
        }
        for name in &one.other {
            if blessing == Blessing::Given {
                other.insert(name.clone())
            } else {
                other.remove(name)
            };
        }
        Ok(WantedRoles { roles, other })
    })
    .await
}

/// The hosts that blessings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those that they name.
    Named,
    /// All: from those that they do not name the role is taken.
    All,
}

/// Gives a role to the hosts that are named, or takes it, one after the other.
pub async fn bless_hosts(
    app: &App,
    origin: &Origin,
    name: &str,
    named: &[(RunnerId, Blessing)],
    extent: Extent,
    definition: Option<Definition<'_>>,
) -> Result<(), BlessError> {
    let unknown = |(runner, _): &&(RunnerId, Blessing)| app.member(runner.as_str(), None).is_none();
    if let Some((runner, _)) = named.iter().find(unknown) {
        return Err(SetRolesError::RunnerNotFound(runner.clone()).into());
    }
    // Whether they have it already is for the store to say.
    for (runner, blessing) in named {
        bless(app, origin, runner, (name, *blessing), definition).await?;
    }
    if extent == Extent::Named {
        return Ok(());
    }
    let known: HashSet<&RunnerId> = named.iter().map(|(runner, _)| runner).collect();
    for host in app.registry.hosts() {
        // Most hosts do not have it, and are not read for that.
        let now = app.member(host.runner_id.as_str(), None);
        if !known.contains(&host.runner_id) && now.is_some_and(|now| now.has_named(name)) {
            let taken = (name, Blessing::Taken);
            bless(app, origin, &host.runner_id, taken, definition).await?;
        }
    }
    Ok(())
}
