//! The same command on a service that runs: what `install` has made is made right again.

use super::{
    directories::place_directories,
    installation::Installation,
    made::step,
    unit::{place_unit, place_user},
};
use crate::{
    agent::{Identity, Progress, Status, Step},
    cli::{
        service_layout::service_failed,
        storage::{self, Found},
    },
    config::Difference,
    host::service::systemctl,
    model::Failure,
};

impl Installation<'_> {
    /// Repairs directories, unit and config file, and takes on what was given. The service starts
    /// anew where it would not see that otherwise.
    pub(super) fn repair(
        &self,
        identity: &Identity,
        status: &Status,
        differences: &[Difference],
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let options = &self.options;
        let user = step(progress, Step::User, place_user)?;
        let had_instances = options.settings.storage().instances().exists();
        let found = Found { is_fresh: false, ..storage::look(options)? };
        let place = || place_directories(options, user, &found);
        step(progress, Step::Directories, place)?;
        let config_changed = self.place_config(identity, differences, progress)?;
        let unit_changed = place_unit(&options.settings, progress)?;
        let is_well = status.roles.values().all(|health| health.healthy);
        if had_instances && is_well && !config_changed && !unit_changed {
            return Ok(());
        }
        progress.started(Step::Daemon);
        systemctl(["restart", "ece-agent"]).map_err(|error| service_failed(&error))?;
        progress.finished(Step::Daemon, "the service ece-agent, started anew");
        Ok(())
    }
}
