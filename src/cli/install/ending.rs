//! The end of an installation that has made the host a member.

use tokio::time::Instant;

use super::{
    closing::Closing,
    health::{must_be_of_this_cluster, until_healthy},
    installation::{Installation, Installed},
};
use crate::{
    agent::{Progress, Status, Step},
    cli::{progress::Reporter, wait::until_connected},
    model::{Exit, Failure},
};

impl Installation<'_> {
    /// Waits until the daemon is connected, unless that is not wanted, and says so.
    pub(super) async fn wait_and_finish(
        &self,
        installed: &Installed,
        reporter: &Reporter,
        deadline: Instant,
        gone: impl FnMut() -> Option<Failure>,
    ) -> Result<Exit, Failure> {
        if self.options.no_wait {
            self.log.success();
            reporter.end();
            self.closing().not_waited(installed);
            return Ok(Exit::Success);
        }
        reporter.started(Step::Connected);
        let status =
            until_connected(&self.options.state_dir, deadline, gone, |it| reporter.waiting(it))
                .await?;
        let state = &self.options.state_dir;
        must_be_of_this_cluster(&status, state)?;
        let status = until_healthy(state, status, deadline, |it| reporter.waiting(it)).await?;
        self.finish(&status, installed, reporter);
        Ok(Exit::Success)
    }

    /// The last words of an installation that worked.
    pub(super) fn finish(&self, status: &Status, installed: &Installed, reporter: &Reporter) {
        let coordinator = status.coordinator.as_ref();
        let coordinator = coordinator.map_or("the coordinator".into(), ToString::to_string);
        reporter.finished(Step::Connected, &format!("to {coordinator}"));
        self.log.success();
        reporter.end();
        self.closing().connected(status, installed);
    }

    pub(super) fn closing(&self) -> Closing<'_> {
        Closing { options: &self.options, output: self.output, run_mode: self.run_mode }
    }
}
