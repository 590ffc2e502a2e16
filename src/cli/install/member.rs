//! The part of an installation that makes the host a member: everything but the daemon, and
//! nothing that needs privileges.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    drift::possible,
    installation::{Installation, Installed, RunMode},
    renewal::set_damaged_aside,
};
use crate::{
    agent::{
        HostStart, Identity, JoinStart, KeyWish, Place, Progress, Step, load_identity, may_give_up,
        not_writable, prepare_state_dir, roles_today, save_identity,
    },
    cli::{
        bootstrap_log::BootstrapLog, event::Event, known_host::not_installed, output::Output,
        progress::EventReporter, run::run_daemon,
    },
    config::{InstallOptions, Purpose},
    daemon::{
        FirstHostStart, StateLock, cluster_must_be_there, key_must_be_there, register_own_key,
    },
    host::LinuxMachine,
    model::{Code, Exit, Failure, Role, RoleSet},
    rt::{Clock, files},
    tls::PrivateKey,
};

/// What the API takes from no first host, and gives to no other.
const OF_THE_FIRST_HOST: [Role; 2] = [Role::Coordinator, Role::Director];

/// What a process does that a privileged one has started as the service user: it reads the options
/// from standard input, makes the host a member, and tells of it in events.
pub fn become_member(output: Output) -> Result<Exit, Failure> {
    let internal = |error: String| Failure::new(Code::Internal, format!("the options: {error}"));
    let text = std::io::read_to_string(std::io::stdin()).map_err(|it| internal(it.to_string()))?;
    let text = zeroize::Zeroizing::new(text);
    let options: InstallOptions =
        serde_json::from_str(&text).map_err(|error| internal(error.to_string()))?;
    drop(text);
    let log = BootstrapLog::none();
    let (run_mode, watched) = (RunMode::Service, None);
    let installation = Installation { options, output, run_mode, log: &log, watched };
    run_daemon(async {
        let options = &installation.options;
        let deadline = Instant::now() + options.timeout + options.wait_for_coordinator;
        prepare_state_dir(&options.state_dir)?;
        let _lock = StateLock::take(&options.state_dir, |_, _| {}).await?;
        let installed = installation.make_member(&EventReporter(output), deadline).await?;
        let Installed { secrets_file, already, .. } = installed;
        output.tell(&Event::Member { secrets_file, already });
        Ok(Exit::Success)
    })
}

impl Installation<'_> {
    /// Brings the host to the point where only the daemon is missing.
    pub(super) async fn make_member(
        &self,
        progress: &dyn Progress,
        deadline: Instant,
    ) -> Result<Installed, Failure> {
        match timeout_at(deadline, self.member(progress)).await {
            Ok(installed) => installed,
            Err(_) => {
                let message = "the coordinator did not let the host in in time";
                Err(Failure::new(Code::CoordinatorTimeout, message))
            }
        }
    }

    async fn member(&self, progress: &dyn Progress) -> Result<Installed, Failure> {
        let options = &self.options;
        let mut fresh_key = false;
        if options.new_identity {
            self.check_replaceable()?;
        }
        // The cluster still knows the host, which keeps its name and, if it can be read, its key.
        let was_damaged = options.new_identity && set_damaged_aside(&options.state_dir)?;
        if let Some(identity) = load_identity(&options.state_dir)? {
            if !options.new_identity {
                self.check_same(&identity)?;
                let key = key_must_be_there(&options.state_dir)?;
                if identity.first_host {
                    cluster_must_be_there(&options.state_dir)?;
                    self.register_own_key(&identity, &key, progress).await;
                }
                let identity = self.take_on_settings(identity)?;
                let secrets_file =
                    identity.first_host.then(|| options.settings.storage().secrets_file());
                return Ok(Installed { identity, secrets_file, already: true });
            }
            // A first host's own datastore says whether its key is good.
            if !identity.first_host {
                may_give_up(&identity, &options.state_dir, &LinuxMachine).await?;
                let file = options.state_dir.identity();
                files::remove(&file).map_err(|error| not_writable(&file, error))?;
                fresh_key = true;
            }
        }
        let key = match options.new_identity && !was_damaged {
            _ if fresh_key => KeyWish::Another,
            true => KeyWish::AnotherIfRemoved,
            false => KeyWish::AsItIs,
        };
        let host = HostStart {
            settings: options.settings.clone(),
            runner_id: options.runner_id.clone(),
            state: &options.state_dir,
            machine: Arc::new(LinuxMachine),
            progress,
            relaxed: options.foreground || options.force,
            as_service: self.run_mode == RunMode::Service,
            skip: &options.skip,
        };
        let now = Clock::system().now();
        match &options.purpose {
            Purpose::Join(join) => {
                let start = JoinStart {
                    host,
                    options: join.clone(),
                    patience: options.wait_for_coordinator,
                    place: if options.replace { Place::OfALostHost } else { Place::New },
                    key,
                };
                let identity = start.join(now).await?.identity;
                Ok(Installed { identity, secrets_file: None, already: false })
            }
            Purpose::FirstHost(first) => {
                let start = FirstHostStart { host, options: first.clone() };
                let set_up = start.set_up(now).await?;
                self.check_same(&set_up.identity)?;
                let secrets_file = Some(set_up.secrets_file);
                Ok(Installed { identity: set_up.identity, secrets_file, already: false })
            }
            Purpose::Stay(_) => Err(not_installed(&options.state_dir)),
        }
    }

    /// Says so if the cluster has learnt the key of this host, its first, just now.
    async fn register_own_key(
        &self,
        identity: &Identity,
        key: &PrivateKey,
        progress: &dyn Progress,
    ) {
        let now = Clock::system().now();
        if register_own_key(&self.options.state_dir, identity, key, now).await {
            progress.started(Step::Bootstrap);
            let cluster = &identity.cluster_id;
            let told = format!("cluster {cluster}, which knows this host by its new key");
            progress.finished(Step::Bootstrap, &told);
        }
    }

    /// Whether the command is about the host that is installed here.
    pub(super) fn check_same(&self, identity: &Identity) -> Result<(), Failure> {
        if let Some(given) = &self.options.runner_id
            && *given != identity.runner_id
        {
            let message = format!(
                "the host {} is installed here, and --runner-id says {given}",
                identity.runner_id
            );
            return Err(Failure::new(Code::InstallRunnerIdDiffers, message));
        }
        let requested = self.options.purpose.roles();
        let today = roles_today(&self.options.state_dir, identity);
        if self.options.roles_given && *requested != today {
            let message = format!(
                "this host has {}, and now asks for {}",
                today.in_words(),
                requested.in_words()
            );
            let fix = how_to_change(identity, requested, &today);
            return Err(Failure::new(Code::JoinRolesDiffer, message).with_fix(fix));
        }
        Ok(())
    }

    /// What a member was given is what it goes by from its next start on.
    fn take_on_settings(&self, mut identity: Identity) -> Result<Identity, Failure> {
        let given = possible(&self.options.given).for_member(identity.first_host);
        let settings = identity.settings.with(&given);
        if settings != identity.settings {
            identity.settings = settings;
            let state = &self.options.state_dir;
            save_identity(state, &identity)
                .map_err(|error| not_writable(&state.identity(), error))?;
        }
        Ok(identity)
    }
}

/// How a host that has `today` gets the roles that were asked for, as far as it can.
fn how_to_change(identity: &Identity, requested: &RoleSet, today: &RoleSet) -> String {
    let mut roles = requested.clone();
    for role in OF_THE_FIRST_HOST {
        match identity.first_host {
            true => roles.insert(role),
            false => roles.remove(role),
        }
    }
    if roles == *today {
        return "Leave --roles out: the first host is coordinator and director, and no other is."
            .into();
    }
    let roles = if roles.is_empty() { "--none".into() } else { roles.to_string() };
    let id = &identity.runner_id;
    format!(
        "Leave --roles out, or change them on the first host: 'ece-agent host roles {id} {roles}'."
    )
}
