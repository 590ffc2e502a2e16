//! Installing with the rights of the caller: the daemon goes on in this process, or in one that is
//! left behind.

use tokio::time::{Instant, timeout_at};

use super::{
    drift,
    health::unhealthy,
    installation::{Installation, Installed, RunMode},
};
use crate::{
    agent::{AgentState, Progress, Status, Step, prepare_state_dir},
    cli::{
        answering::Watched,
        background::{ended, start_daemon},
        known_host::must_be_own,
        progress::Reporter,
        run,
        storage::{self, Claim},
        wait::not_in_time,
    },
    daemon::StateLock,
    model::{Exit, Failure},
};

impl Installation<'_> {
    /// Installs with the rights of the caller.
    pub(super) async fn install_here(
        &self,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        must_be_own(state)?;
        let claim = storage::look(&self.options)?.claim;
        prepare_state_dir(state)?;
        let lock = StateLock::take(state, |held, left| reporter.waiting_for(held, left)).await?;
        claim.as_ref().map_or(Ok(()), Claim::write)?;
        self.log.begin()?;
        let progress = self.log.beside(reporter);
        if let Some(identity) = self.identity_that_stays()? {
            let differences = self.drift(&identity, None, &progress).await;
            if !differences.is_empty() {
                progress.started(Step::Config);
                progress.finished(Step::Config, &drift::in_words(&differences));
            }
        }
        let installed = self.make_member(&progress, deadline).await?;
        if self.run_mode == RunMode::Foreground {
            self.go_on_as_daemon(installed, lock, reporter, deadline).await
        } else {
            drop(lock);
            self.leave_daemon_behind(installed, reporter, deadline).await
        }
    }

    async fn go_on_as_daemon(
        &self,
        installed: Installed,
        lock: StateLock,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        reporter.started(Step::Connected);
        // A daemon goes on without them.
        self.watched.iter().for_each(Watched::end);
        let (daemon, shutdown) = run::start(self.options.state_dir.clone(), lock).await?;
        let board = daemon.board().clone();
        let mut followed = board.follow();
        let told = async {
            let settled =
                followed.wait_for(|status| status.connected || status.state == AgentState::Refused);
            let status = timeout_at(deadline, settled).await;
            let status = status.ok().and_then(|status| status.ok().map(|status| status.clone()));
            let failure = match status {
                Some(status) if status.connected => match unhealthy(&status) {
                    None => return self.finish(&status, &installed, reporter),
                    Some(failure) => failure,
                },
                Some(Status { problem: Some(problem), .. }) => problem.into(),
                // The daemon goes on trying; whoever watches should know.
                _ => not_in_time(Some(board.read())),
            };
            reporter.end();
            self.log.failure(&failure);
            self.output.failure(&failure);
        };
        let mut running = std::pin::pin!(daemon.run(shutdown));
        tokio::select! {
            () = told => running.await?,
            ended = &mut running => ended?,
        }
        Ok(Exit::Success)
    }

    async fn leave_daemon_behind(
        &self,
        installed: Installed,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        let state = &self.options.state_dir;
        reporter.started(Step::Daemon);
        let mut child = start_daemon(state)?;
        reporter.finished(Step::Daemon, &format!("process {}", child.id()));
        let gone = || ended(&mut child, state);
        self.wait_and_finish(&installed, reporter, deadline, gone).await
    }
}
