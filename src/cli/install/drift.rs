//! Settings that are given to a host which is a member already, and are not those in force.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use tokio::time::timeout;

use super::{
    installation::{Installation, RunMode},
    made::write_public,
};
use crate::{
    agent::{Identity, Progress, Status, Step, load_identity},
    cli::{
        CONFIG_FILE,
        known_host::{Known, known_host},
        state_dir_flag,
    },
    client::resolve_all,
    config::{Difference, GivenSettings, HostSettings, InstallArguments, edited},
    host::{LinuxMachine, Machine},
    model::{Code, CoordinatorAddress, Failure, default_capacity_mb},
    rt::files,
};

const MAX_CONFIG: u64 = 1 << 20;

/// Of how many coordinators names are resolved, and shown.
const MOST_COORDINATORS: usize = 8;

/// How long all of that may take.
const RESOLVING: Duration = Duration::from_secs(5);

impl Installation<'_> {
    /// A member's data stays where it is, whatever path is given.
    pub(super) fn keep_storage_path(&mut self) {
        let state = &self.options.state_dir;
        let Ok(Some(identity)) = load_identity(state) else { return };
        // A copy of a disk becomes a host of its own, whose data may be elsewhere.
        let is_given = self.options.given.storage_path.is_some();
        if self.options.new_identity && is_given && !identity.first_host {
            return;
        }
        if let Some(path) = known_host(state).and_then(|known| known.storage_path()).ok().flatten()
        {
            self.options.settings.storage_path = path;
        }
    }

    /// What was given and is to be taken on. What cannot be is warned of.
    pub(super) async fn drift(
        &self,
        identity: &Identity,
        running: Option<&Status>,
        progress: &dyn Progress,
    ) -> Vec<Difference> {
        if let Some(failure) = self.kept_coordinators(identity).await {
            progress.warning(&failure);
        }
        let told = running.and_then(|status| status.settings.clone());
        let mut in_force = told.unwrap_or_else(|| self.settings_at_start(identity));
        in_force.storage_path.clone_from(&self.options.settings.storage_path);
        let host_ip = running.and_then(|status| status.host_ip).unwrap_or(identity.host_ip);
        let can_be_changed = self.run_mode == RunMode::Service || running.is_none();
        let (mut taken, differences) =
            (Vec::new(), self.options.given.differences(&in_force, host_ip));
        for difference in differences {
            match self.why_kept(&difference, identity.first_host, can_be_changed) {
                Some(fix) => progress.warning(&self.kept(&difference, fix)),
                None => taken.push(difference),
            }
        }
        taken
    }

    /// What was given and the config file says otherwise: it would win at the next start.
    pub(super) fn unlike_config_file(&self) -> Vec<Difference> {
        let options = &self.options;
        let Ok(file) = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref()) else {
            return Vec::new();
        };
        let at_start = options.settings.overlaid_with(&file).unwrap_or(options.settings.clone());
        let host_ip = options.settings.host_ip.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
        options.given.differences(&at_start, host_ip)
    }

    /// What counts when the daemon starts.
    fn settings_at_start(&self, identity: &Identity) -> HostSettings {
        let file = InstallArguments::default().with_config_file(CONFIG_FILE.as_ref());
        match file {
            Ok(file) if self.run_mode == RunMode::Service => {
                identity.settings.overlaid_with(&file).unwrap_or(identity.settings.clone())
            }
            _ => identity.settings.clone(),
        }
    }

    /// How a setting is changed that this command leaves alone.
    fn why_kept(
        &self,
        difference: &Difference,
        first_host: bool,
        can_be_changed: bool,
    ) -> Option<String> {
        let here = state_dir_flag(&self.options.state_dir);
        let leave_out = self.options.from_file.leave_out(&difference.flag());
        match difference.key {
            "host-storage-path" => Some(format!(
                "{leave_out}, or mount the other disk at {}. To begin anew elsewhere, run 'ece-agent uninstall{here}' first.",
                difference.in_force
            )),
            "host-ip" if first_host => Some(format!(
                "{leave_out}: a cluster keeps the address that it was set up with; --external-hostname gives it further names."
            )),
            "host-ip" if !difference.given.parse().is_ok_and(is_address_of_this_machine) => {
                Some("Give an address of this machine; 'ip address' shows them.".into())
            }
            "capacity" => most_capacity_mb()
                .filter(|most| difference.given.parse::<u64>().is_ok_and(|given| given > *most))
                .map(|most| format!("Give at most the {most} MB that this host may use."))
                .or_else(|| (!can_be_changed).then(|| stop(&here))),
            _ if !can_be_changed => Some(stop(&here)),
            _ => None,
        }
    }

    /// A member stays with its cluster, whatever coordinator is named.
    async fn kept_coordinators(&self, identity: &Identity) -> Option<Failure> {
        let given = self.options.purpose.coordinators();
        let said = identity.coordinators();
        if given.is_empty() || given.iter().any(|it| said.contains(it)) {
            return None;
        }
        // Names that the service user has written are not resolved by root.
        let noted = known_host(&self.options.state_dir).ok().and_then(Known::host)?.coordinators;
        let both = async {
            let sockets = sockets_of(&noted).await;
            sockets_of(given).await.iter().any(|it| sockets.contains(it))
        };
        if timeout(RESOLVING, both).await.unwrap_or(false) {
            return None;
        }
        let difference = Difference {
            key: "coordinator-host",
            in_force: first_in_words(&noted),
            given: first_in_words(given),
        };
        let fix = format!(
            "{}. To move this host to another cluster run 'ece-agent uninstall{}' first.",
            self.options.from_file.leave_out(&difference.flag()),
            state_dir_flag(&self.options.state_dir)
        );
        Some(self.kept(&difference, fix))
    }

    /// The config file of a service: made, or changed where it says otherwise. Whether it was.
    pub(super) fn place_config(
        &self,
        identity: &Identity,
        differences: &[Difference],
        progress: &dyn Progress,
    ) -> Result<bool, Failure> {
        progress.started(Step::Config);
        let failed = |error: std::io::Error| {
            Failure::new(Code::ConfigFile, format!("{CONFIG_FILE}: {error}"))
        };
        let found = files::read_limited(Path::new(CONFIG_FILE), MAX_CONFIG).map_err(failed)?;
        let Some(found) = found else {
            let roles = &identity.joined_roles;
            let offered = most_capacity_mb().map(|total| default_capacity_mb(total, roles));
            write_public(CONFIG_FILE, &self.for_config_file(identity).as_config_file(offered))?;
            progress.finished(Step::Config, CONFIG_FILE);
            return Ok(!differences.is_empty());
        };
        if differences.is_empty() {
            progress.finished(Step::Config, &format!("{CONFIG_FILE}, as it was"));
            return Ok(false);
        }
        let Some(text) = edited(&String::from_utf8_lossy(&found), differences) else {
            let fix = format!("Change {CONFIG_FILE} by hand, then 'systemctl restart ece-agent'.");
            differences.iter().for_each(|it| progress.warning(&self.kept(it, fix.clone())));
            return Ok(false);
        };
        files::write_public(Path::new(CONFIG_FILE), text.as_bytes()).map_err(failed)?;
        progress.finished(Step::Config, &format!("{CONFIG_FILE}: {}", in_words(differences)));
        Ok(true)
    }
}

impl Installation<'_> {
    fn kept(&self, difference: &Difference, fix: String) -> Failure {
        let Difference { in_force, given, .. } = difference;
        let source = self.options.from_file.source(&difference.flag());
        let message = match &in_force[..] {
            "" => format!("{source} says {given}, and nothing is set"),
            in_force => format!("{source} says {given}, and in force is {in_force}"),
        };
        Failure::new(Code::InstallSettingKept, message).with_fix(fix)
    }

    /// What a config file says at first. Paths and addresses in it are those that root was given.
    fn for_config_file(&self, identity: &Identity) -> HostSettings {
        let (given, settings) = (&self.options.given, &self.options.settings);
        HostSettings {
            host_ip: given.host_ip.filter(|_| self.may_take_host_ip(identity)),
            storage_path: settings.storage_path.clone(),
            external_hostnames: given.external_hostnames.clone().unwrap_or_default(),
            metrics_listen: given.metrics_listen,
            ..identity.settings.with(given)
        }
    }

    fn may_take_host_ip(&self, identity: &Identity) -> bool {
        !identity.first_host || identity.settings.host_ip == self.options.given.host_ip
    }
}

/// Where coordinators are, as far as their names lead somewhere.
async fn sockets_of(coordinators: &[CoordinatorAddress]) -> Vec<SocketAddr> {
    let mut sockets = Vec::new();
    for coordinator in coordinators.iter().take(MOST_COORDINATORS) {
        sockets.extend(resolve_all(coordinator).await.unwrap_or_default());
    }
    sockets
}

fn first_in_words(coordinators: &[CoordinatorAddress]) -> String {
    let first = coordinators.iter().take(MOST_COORDINATORS).map(ToString::to_string);
    let first = first.collect::<Vec<_>>().join(",");
    match coordinators.len().saturating_sub(MOST_COORDINATORS) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// What is changed to what.
pub(super) fn in_words(differences: &[Difference]) -> String {
    let change = |Difference { key, in_force, given }: &Difference| match &in_force[..] {
        "" => format!("{key} is now {given}"),
        before => format!("{key} is now {given}, and was {before}"),
    };
    differences.iter().map(change).collect::<Vec<_>>().join("; ")
}

fn stop(here: &str) -> String {
    format!("Run 'ece-agent stop{here}', then repeat this command.")
}

/// Of what was given, what this machine has.
pub(super) fn possible(given: &GivenSettings) -> GivenSettings {
    GivenSettings {
        host_ip: given.host_ip.filter(|ip| is_address_of_this_machine(*ip)),
        capacity_mb: given.capacity_mb.filter(|mb| most_capacity_mb().is_none_or(|it| *mb <= it)),
        ..given.clone()
    }
}

pub(super) fn is_address_of_this_machine(ip: IpAddr) -> bool {
    LinuxMachine.has_address(ip)
}

fn most_capacity_mb() -> Option<u64> {
    LinuxMachine.memory().ok().map(|memory| memory.bytes >> 20)
}
