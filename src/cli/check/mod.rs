//! `ece-agent check`: whether this machine can be what it is asked to be.

mod as_service;
pub mod show;

use std::path::Path;

use serde_json::json;

pub use as_service::{PROBE_VERB, ProbeArguments, denied_to_service, probe_as_child};

use super::{
    CONFIG_FILE,
    answering::{LONGEST, Watched, state_answers, storage_answers},
    known_host::{Known, known_host},
    output::Output,
    own_state_dir,
    progress::Silent,
    run_to_end,
    service_layout::runs_as_service,
    storage::may_have,
};
use crate::{
    agent::{find_coordinator, load_identity, proxies_in_environment},
    config::{InstallArguments, Mistake, only_address},
    host::LinuxMachine,
    model::{Code, Exit, Failure, RoleSet},
    preflight::{self, Outcome, Severity},
    rt::{Clock, Timestamp},
    token::{LocalRefusal, UnverifiedToken},
};

/// What a coordinator need not be asked for. A member needs no token any more.
fn judged(
    token: &UnverifiedToken,
    roles: &RoleSet,
    is_member: bool,
    now: Timestamp,
) -> Option<Outcome> {
    match token.check_locally(roles, now) {
        Err(LocalRefusal::Expired { .. }) if is_member => None,
        Err(refusal) => Some(Outcome::stopped_by(&refusal.into())),
        Ok(()) => {
            let claims = token.claims();
            let until = match claims.expires_at {
                Some(at) => format!(", until {}", at.rfc3339()),
                None => String::new(),
            };
            let allowed = match &claims.roles[..] {
                [] => "no roles".to_owned(),
                roles => roles.join(", "),
            };
            Some(Outcome::well(Code::PreflightToken, format!("it allows {allowed}{until}")))
        }
    }
}

pub fn check(arguments: InstallArguments, output: Output) -> Result<Exit, Failure> {
    let options = arguments
        .with_config_file(Path::new(CONFIG_FILE))
        .map_err(|error| Failure::new(Code::ConfigFile, error.to_string()))?
        .build_check(own_state_dir())
        .map_err(|mistakes| Mistake::failure(&mistakes))?;
    state_answers(&options.state_dir, LONGEST)?;
    storage_answers(&options.settings.storage_path, LONGEST)?;
    let _watched = Watched::state_and_storage(&options.state_dir, &options.settings.storage_path);
    let identity = load_identity(&options.state_dir).ok().flatten();
    let mut route = options.route.clone();
    if let Some(host) = known_host(&options.state_dir).ok().and_then(Known::host) {
        route.pins.extend(&host.pins);
    }
    let reach = match route.coordinators.is_empty() {
        true => None,
        false => run_to_end(find_coordinator(&route.checked()?, Default::default(), &Silent)),
    };
    let service = runs_as_service(&options.state_dir);
    let storage = &options.settings.storage_path;
    let refused = may_have(storage, &options.state_dir, service).err();
    let denied =
        service.then(|| denied_to_service(storage, identity.is_some(), Severity::Error)).flatten();
    let mut outcomes: Vec<Outcome> = refused.iter().map(Outcome::stopped_by).collect();
    outcomes.extend(options.token.as_ref().and_then(|token| {
        judged(token, &options.roles, identity.is_some(), Clock::system().now())
    }));
    outcomes.extend(preflight::check(&preflight::Context {
        machine: &LinuxMachine,
        settings: &options.settings,
        roles: &options.roles,
        bind: options.settings.host_ip.and_then(only_address),
        relaxed: options.relaxed,
        as_service: service,
        look_only: true,
        denied,
        installed: identity.map(|identity| identity.runner_id),
        reach: reach.as_ref(),
        skip: &options.skip,
        proxies: proxies_in_environment(),
    }));
    let worst = outcomes.iter().map(|it| it.severity).max().unwrap_or(Severity::Ok);
    let passed = worst < Severity::Error;
    match output.is_json() {
        true => output.json(&json!({ "passed": passed, "checks": show::as_json(&outcomes) })),
        false => show::in_words(output, &outcomes),
    }
    Ok(if passed { Exit::Success } else { Exit::Preflight })
}
