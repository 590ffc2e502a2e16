//! The last words of an installation.

use std::{net::IpAddr, path::Path};

use serde_json::{Value, json};

use super::installation::{Installed, RunMode};
use crate::{
    agent::Status,
    cli::{
        access::state_dir_flag_beside_profile, known_host::other_owner, output::Output,
        secrets_file::SecretsFile, state_dir_flag,
    },
    config::{InstallOptions, Purpose},
    model::{BootstrapSecret, Secret},
    server::API_PORT,
};

pub(super) struct Closing<'a> {
    pub options: &'a InstallOptions,
    pub output: Output,
    pub run_mode: RunMode,
}

impl Closing<'_> {
    pub(super) fn connected(&self, status: &Status, installed: &Installed) {
        let secrets_file = installed.secrets_file.as_deref().filter(|file| file.exists());
        if self.output.is_json() {
            return self.done(status, installed.already, secrets_file);
        }
        self.output.note(&format!("the host {} is connected", status.name()));
        self.lines(installed);
    }

    pub(super) fn not_waited(&self, installed: &Installed) {
        let runner = &installed.identity.runner_id;
        if self.output.is_json() {
            let event = json!({
                "runner_id": runner,
                "cluster_id": installed.identity.cluster_id,
                "host_ip": installed.identity.host_ip,
                "already_installed": installed.already,
                "secrets_file": installed.secrets_file,
                "secrets": self.secrets_in_json(installed.secrets_file.as_deref()),
            });
            return self.output.outcome("done", event);
        }
        self.output.note(&format!("the host {runner} is a member, and its daemon is starting"));
        self.lines(installed);
    }

    pub(super) fn already_running(&self, status: &Status) {
        let file = self.options.settings.storage().secrets_file();
        let is_there = self.options.purpose.is_first_host() && file.exists();
        let secrets_file = is_there.then_some(&*file);
        if self.output.is_json() {
            return self.done(status, true, secrets_file);
        }
        if !status.connected {
            let name = status.name();
            return self.output.note(&format!("the host {name} is a member, and is connecting"));
        }
        self.output.note(&format!(
            "all is well: the host {} is a member of the cluster {} and connected to {}",
            status.name(),
            status.cluster_id.as_deref().unwrap_or_default(),
            status.coordinator.as_ref().map_or("its coordinator".into(), ToString::to_string),
        ));
        if let Some(file) = secrets_file.filter(|_| self.options.show_secrets) {
            self.secrets(file);
        }
    }

    fn done(&self, status: &Status, already: bool, secrets_file: Option<&Path>) {
        self.output.outcome(
            "done",
            json!({
                "runner_id": status.runner_id,
                "cluster_id": status.cluster_id,
                "host_ip": status.host_ip,
                "roles": status.roles.keys().collect::<Vec<_>>(),
                "coordinator": status.coordinator,
                "connected": status.connected,
                "already_installed": already,
                "secrets_file": secrets_file,
                "secrets": self.secrets_in_json(secrets_file),
            }),
        );
    }

    /// What was done, and what to look at next.
    fn lines(&self, installed: &Installed) {
        let note = |line: &str| self.output.note(line);
        if let Some(file) = installed.secrets_file.as_ref().filter(|file| file.exists()) {
            let url = match installed.identity.host_ip {
                IpAddr::V4(host) => format!("https://{host}:{API_PORT}"),
                IpAddr::V6(host) => format!("https://[{host}]:{API_PORT}"),
            };
            note(&format!("API: {url}/api/v1"));
            self.secrets(file);
            let here = state_dir_flag_beside_profile(&self.options.state_dir);
            note(&format!("to add a host: ece-agent token create --roles allocator{here}"));
        } else if let Purpose::Join(join) = &self.options.purpose
            && installed.identity.joined_roles.is_empty()
            && let Ok(token) = join.token.says()
            && !token.claims().roles.is_empty()
        {
            let allowed = token.claims().roles.join(",");
            note(&format!("it has no roles, as --roles was left out; the token allows {allowed}"));
        }
        if self.run_mode == RunMode::Service {
            note("service: ece-agent; its log: journalctl -u ece-agent");
        }
        note(&format!("next: ece-agent status{}", state_dir_flag(&self.options.state_dir)));
    }
}

impl Closing<'_> {
    /// Where the secrets are, or what they are.
    fn secrets(&self, file: &Path) {
        let file = file.display();
        match self.options.show_secrets {
            false => self
                .output
                .note(&format!("passwords and tokens: {file} (--show-secrets prints them)")),
            true => {
                self.output.note(&format!("passwords and tokens: {file}"));
                self.secrets_in_words().iter().for_each(|line| self.output.note_verbatim(line));
            }
        }
    }

    fn secrets_in_words(&self) -> Vec<String> {
        let shown =
            |(which, secret): (_, Secret)| format!("  {}: {}", in_words(which), secret.expose());
        self.secrets_kept().into_iter().map(shown).collect()
    }

    /// The same by their names in the file, for who has asked for them.
    fn secrets_in_json(&self, file: Option<&Path>) -> Option<Value> {
        file.filter(|_| self.options.show_secrets)?;
        let shown = |(which, secret): (BootstrapSecret, Secret)| {
            (which.key().to_owned(), secret.expose().into())
        };
        Some(Value::Object(self.secrets_kept().into_iter().map(shown).collect()))
    }

    /// What the secrets file holds, for the person who has just set up the first host.
    fn secrets_kept(&self) -> Vec<(BootstrapSecret, Secret)> {
        let never = other_owner(&self.options.state_dir);
        let Ok(Some(secrets)) = SecretsFile::open(&self.options.settings.storage_path, never)
        else {
            return Vec::new();
        };
        let kept = |which| Some((which, secrets.get(which)?));
        BootstrapSecret::ALL.into_iter().filter_map(kept).collect()
    }
}

fn in_words(secret: BootstrapSecret) -> &'static str {
    match secret {
        BootstrapSecret::AdminPassword => "password of admin",
        BootstrapSecret::ReadonlyPassword => "password of readonly",
        BootstrapSecret::TokenWithoutRoles => "token without roles",
        BootstrapSecret::AllocatorToken => "token for allocators",
        BootstrapSecret::EmergencyToken => "token for all other roles",
    }
}
