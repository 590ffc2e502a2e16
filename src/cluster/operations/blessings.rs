//! Which hosts are blessed with a role: those that have it.

use std::collections::HashSet;

use super::roles::{BlessError, Blessing, Definition, SetRolesError, bless};
use crate::{
    cluster::{app::App, change::Origin},
    model::RunnerId,
};

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
    let mut changes = named.to_vec();
    if extent == Extent::All {
        let hosts = app.registry.hosts();
        let known: HashSet<&RunnerId> = named.iter().map(|(runner, _)| runner).collect();
        let others = hosts.iter().filter(|host| !known.contains(&host.runner_id));
        changes.extend(others.map(|host| (host.runner_id.clone(), Blessing::Taken)));
    }
    for (runner, blessing) in changes {
        let Some(host) = app.member(runner.as_str(), None) else { continue };
        if host.has_named(name) != (blessing == Blessing::Given) {
            bless(app, origin, &runner, (name, blessing), definition).await?;
        }
    }
    Ok(())
}
