//! Installing as root: the steps that need privileges, around a child that is the service user
//! and does the rest. Each can be repeated.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{
    directories::place_directories,
    installation::{Installation, Installed},
    made::{forget_plan_key, not_made, plan_key, step},
    unit::{failed_unit, place_binary, place_unit, place_user, start_service, stop_silent_service},
};
use crate::{
    agent::{Progress, Step, load_identity},
    cli::{
        event::{Event, StepEvent},
        progress::Reporter,
        service_child::ServiceChild,
        storage,
    },
    config::{Difference, Purpose},
    host::{giving::hand_over, process::end_processes_of, service::invoking_user, tree::Owner},
    model::{Code, Exit, Failure, StorageLayout},
};

/// What the child is called with.
pub const MEMBER_VERB: &str = "become-member";

/// How much longer the child is waited for than it may take.
const CHILD_MARGIN: Duration = Duration::from_secs(10);

/// How long processes that are killed may take to end.
const LONGEST_END: Duration = Duration::from_secs(10);

impl Installation<'_> {
    pub(super) async fn install_service(
        &self,
        reporter: &Reporter,
        deadline: Instant,
    ) -> Result<Exit, Failure> {
        self.check_token()?;
        let found = storage::look(&self.options)?;
        step(reporter, Step::Binary, place_binary)?;
        let user = step(reporter, Step::User, place_user)?;
        let before = self.identity_that_stays()?;
        let begins = matches!(self.options.purpose, Purpose::FirstHost(_));
        let mut stopped = begins && self.clear_the_way(user)?;
        let place = || place_directories(&self.options, user, &found);
        step(reporter, Step::Directories, place)?;
        self.log.begin()?;
        let progress = self.log.beside(reporter);
        let given = match &before {
            Some(identity) => self.drift(identity, None, &progress).await,
            None => self.unlike_config_file(),
        };
        if let Some(identity) = &before {
            self.check_same(identity)?;
        }
        let state = &self.options.state_dir;
        stopped |= stop_silent_service()?;
        let made = self.make_service(user, &given, &progress);
        let installed = match made {
            // It did its work before, though it did not answer.
            Err(failure) if stopped => {
                let again = start_service(state).err().map(|failure| failure.to_string());
                return Err(again.into_iter().fold(failure, |all, other| all.adding(&other)));
            }
            made => made?,
        };
        step(reporter, Step::Daemon, || start_service(state))?;
        self.wait_and_finish(&installed, reporter, deadline, failed_unit()).await
    }

    /// All but the daemon.
    fn make_service(
        &self,
        user: Owner,
        given: &[Difference],
        progress: &dyn Progress,
    ) -> Result<Installed, Failure> {
        let installed = self.member_as(user, progress)?;
        self.place_config(&installed.identity, given, progress)?;
        let joined_now = !installed.already && matches!(self.options.purpose, Purpose::Join(_));
        self.note_cluster(&installed.identity, joined_now, progress)?;
        forget_plan_key()?;
        place_unit(&self.options.settings, progress)?;
        Ok(installed)
    }

    /// Where a cluster is made, or is taken on from its datastore, nobody else may be at work who is
    /// the service user. Whether a service was stopped.
    fn clear_the_way(&self, user: Owner) -> Result<bool, Failure> {
        let stopped = stop_silent_service()?;
        match end_processes_of(user.uid, LONGEST_END) {
            0 => Ok(stopped),
            count => {
                let message = format!("processes of the user ece-agent do not end: {count}");
                Err(Failure::new(Code::ServiceFailed, message))
            }
        }
    }

    /// Lets a child that is the service user make the host a member.
    fn member_as(&self, user: Owner, progress: &dyn Progress) -> Result<Installed, Failure> {
        let internal = |error: io::Error| {
            let message = format!("the child that makes the host a member: {error}");
            Failure::new(Code::ServiceFailed, message)
        };
        let storage = self.options.settings.storage_path.as_os_str();
        let arguments =
            [MEMBER_VERB.as_ref(), "--json".as_ref(), "--storage-path".as_ref(), storage];
        let mut options = self.options.clone();
        if let Purpose::FirstHost(first) = &mut options.purpose {
            first.plan_key = Some(plan_key()?);
        }
        let options =
            zeroize::Zeroizing::new(serde_json::to_vec(&options).expect("options are plain data"));
        // It ends by itself before that.
        let longest = self.options.timeout + self.options.wait_for_coordinator + CHILD_MARGIN;
        let child = ServiceChild::start(user, &arguments, options, longest).map_err(internal)?;
        let mut secrets_file = None;
        let mut already = false;
        let mut failure = None;
        while let Some(event) = child.next_event().map_err(internal)? {
            match event {
                Event::Step(StepEvent::Started { step }) => progress.started(step),
                Event::Step(StepEvent::Finished { step, result, .. }) => {
                    progress.finished(step, &result);
                }
                Event::Warning(told) => progress.warning(&told.untrusted()),
                Event::Waiting { reason, .. } => progress.waiting(&reason.untrusted()),
                Event::Failed(told) => failure = Some(told.untrusted()),
                // Where they are is known here; whether there are any is the child's to say.
                Event::Member { secrets_file: there, already: before } => {
                    secrets_file = there.map(|_| self.options.settings.storage().secrets_file());
                    already = before;
                }
                Event::Left | Event::Former { .. } => {}
            }
        }
        let status = child.end().map_err(internal)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if !status.success() {
            return Err(internal(io::Error::other(status.to_string())));
        }
        if self.options.purpose.is_first_host() {
            let dir = self.options.settings.storage().secrets();
            if dir.exists() {
                hand_over(&dir, StorageLayout::SECRETS_FILE, user, invoking_user())
                    .map_err(not_made(&dir))?;
            }
        }
        let identity = load_identity(&self.options.state_dir)?
            .ok_or_else(|| internal(io::Error::other("it left no identity behind")))?;
        Ok(Installed { identity, secrets_file, already })
    }
}
