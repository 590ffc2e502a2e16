//! `--dry-run`: what would be done, with what can be known without doing it.

use serde_json::json;

use super::installation::{Installation, RunMode};
use crate::{
    agent::{proxies_in_environment, roles_today},
    cli::{
        CONFIG_FILE,
        check::{denied_to_service, show},
        known_host::not_installed,
        progress::EventReporter,
        service_layout::ServiceLayout,
        storage,
    },
    config::{Difference, Purpose, only_address},
    host::{LinuxMachine, service::service_user},
    model::{Exit, Failure},
    preflight::{self, Severity},
    rt::Clock,
    token::LocalRefusal,
};

impl Installation<'_> {
    pub(super) async fn tell_plan(&self) -> Result<Exit, Failure> {
        let options = &self.options;
        let identity = self.identity_that_stays()?;
        match &identity {
            Some(identity) => self.check_same(identity)?,
            None => self.check_replaceable()?,
        }
        storage::look(options)?;
        let mut reach = None;
        if let Purpose::Join(join) = &options.purpose {
            let token = join.token.says()?;
            match token.check_locally(&join.roles, Clock::system().now()) {
                // A member needs no token any more.
                Err(LocalRefusal::Expired { .. }) if identity.is_some() => {}
                checked => checked?,
            }
            reach = match join.route(token.claims()) {
                Ok(route) => self.reach_coordinator(&route).await,
                // Nor does it need to be told where to go.
                Err(_) if identity.is_some() => None,
                Err(failure) => return Err(failure),
            };
        }
        let roles = match &identity {
            Some(identity) if !options.roles_given => roles_today(&options.state_dir, identity),
            _ => options.purpose.roles().clone(),
        };
        let bind = options.settings.host_ip.and_then(only_address);
        let as_service = self.run_mode == RunMode::Service;
        let storage = &options.settings.storage_path;
        // What the service is denied now, 'install' makes right.
        let denied = as_service
            .then(|| denied_to_service(storage, identity.is_some(), Severity::Warning))
            .flatten();
        let outcomes = preflight::check(&preflight::Context {
            machine: &LinuxMachine,
            settings: &options.settings,
            roles: &roles,
            bind,
            relaxed: options.foreground || options.force,
            as_service,
            look_only: true,
            denied,
            installed: identity.as_ref().map(|identity| identity.runner_id.clone()),
            reach: reach.as_ref(),
            skip: &options.skip,
            proxies: proxies_in_environment(),
        });
        let stops = outcomes.iter().any(|outcome| outcome.severity == Severity::Error);
        let running = match &identity {
            Some(_) => self.running().await?,
            None => None,
        };
        let mut plan = match stops {
            true => Vec::new(),
            false => self.plan(identity.is_some(), running.is_some())?,
        };
        if let Some(identity) = &identity {
            let differences =
                self.drift(identity, running.as_ref(), &EventReporter(self.output)).await;
            plan.splice(0..0, differences.iter().map(would_set));
        }
        if self.output.is_json() {
            let event = json!({ "checks": show::as_json(&outcomes), "would": plan });
            self.output.outcome("plan", event);
        } else {
            show::in_words(self.output, &outcomes);
            for line in &plan {
                self.output.line(&format!("would {line}"));
            }
        }
        match outcomes
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .find_map(|it| it.failure())
        {
            Some(failure) => Err(failure),
            None => Ok(Exit::Success),
        }
    }

    /// What an installation would do from here on, a line each.
    fn plan(&self, is_installed: bool, is_running: bool) -> Result<Vec<String>, Failure> {
        let options = &self.options;
        let (state, storage) = (options.state_dir.path(), &options.settings.storage_path);
        let mut plan = Vec::new();
        let service = self.run_mode == RunMode::Service;
        if service {
            let there = |path: &str| std::path::Path::new(path).exists();
            let user = service_user().unwrap_or_default();
            if !there(ServiceLayout::BINARY) {
                plan.push(format!("copy this program to {}", ServiceLayout::BINARY));
            }
            if user.is_none() {
                plan.push("make the user ece-agent".to_owned());
            }
            if !there(CONFIG_FILE) {
                plan.push(format!("write {CONFIG_FILE}"));
            }
            if !ServiceLayout::has_packaged_unit() && !there(ServiceLayout::UNIT) {
                plan.push(format!("write {}", ServiceLayout::UNIT));
            }
        }
        for dir in [state, storage] {
            if !dir.exists() {
                plan.push(format!("make the directory {}", dir.display()));
            }
        }
        if !is_installed {
            plan.push("make the host's key".to_owned());
            plan.push(match &options.purpose {
                Purpose::FirstHost(first) => {
                    format!("set up a cluster, with this host as {}", first.roles)
                }
                Purpose::Join(join) => format!("join the cluster with {}", join.roles.in_words()),
                Purpose::Stay(_) => return Err(not_installed(&options.state_dir)),
            });
        }
        if !is_running {
            plan.push(match self.run_mode {
                RunMode::Service => "enable and start the service ece-agent".to_owned(),
                RunMode::Background => "start the daemon in the background".to_owned(),
                RunMode::Foreground => "go on as the daemon".to_owned(),
            });
        }
        if !options.no_wait {
            let seconds = options.timeout.as_secs();
            plan.push(format!("wait up to {seconds} s until the coordinator sees the host"));
        }
        Ok(plan)
    }
}

fn would_set(Difference { key, in_force, given }: &Difference) -> String {
    match &in_force[..] {
        "" => format!("set {key} to {given}"),
        before => format!("set {key} to {given}, which is {before}"),
    }
}
