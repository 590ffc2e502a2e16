//! What joins a host with a roles token, as people copy it.

use super::downloads::JOIN_SCRIPT_PATH;
use crate::model::{CoordinatorAddress, HOSTS_PORT, RoleSet, Secret};

/// The flag for these roles, with a blank before it.
fn roles_flag(roles: &RoleSet) -> String {
    match roles.is_empty() {
        true => String::new(),
        false => format!(" --roles \"{roles}\""),
    }
}

/// The value of `--roles-token-file` that brings the token on standard input.
pub fn on_standard_input(token: &Secret) -> String {
    format!("- <<'TOKEN'\n{}\nTOKEN", token.expose())
}

/// Fetches the installer from the coordinator at `url` whose key is `pin`, and runs it only if it is
/// that one. The token goes through standard input, or is in a file that is brought there.
pub fn join_with_curl(url: &str, pin: &str, roles: &RoleSet, token_file: &str) -> String {
    let roles = roles_flag(roles);
    format!(
        "script=$(curl -fsSk --pinnedpubkey '{pin}' {url}{JOIN_SCRIPT_PATH}) && sh -c \"$script\" join{roles} --roles-token-file {token_file}"
    )
}

/// `token` is the flag for the token, which ends the line where it brings the token along.
pub fn join_command(coordinator: &CoordinatorAddress, roles: &RoleSet, token: &str) -> String {
    join_with("ece-agent", coordinator, roles, token)
}

/// The same with the installer that ECE's scripts call.
pub fn join_with_script(coordinator: &CoordinatorAddress, roles: &RoleSet, token: &str) -> String {
    join_with("bash elastic-cloud-enterprise.sh", coordinator, roles, token)
}

fn join_with(
    program: &str,
    coordinator: &CoordinatorAddress,
    roles: &RoleSet,
    token: &str,
) -> String {
    let host = match coordinator.port() {
        HOSTS_PORT => coordinator.host().to_owned(),
        _ => coordinator.to_string(),
    };
    let roles = roles_flag(roles);
    format!("{program} install --coordinator-host {host}{roles} {token}")
}

/// User data for a machine's first boot, on an image that has ece-agent.
pub fn cloud_init(coordinator: &CoordinatorAddress, roles: &RoleSet, token: &Secret) -> String {
    const FILE: &str = "/run/ece-agent-setup/roles-token";
    let from_file = format!("--roles-token-file {FILE} --wait-for-coordinator 600");
    let command = join_command(coordinator, roles, &from_file);
    let token = token.expose();
    format!(
        "#cloud-config\nwrite_files:\n  - path: {FILE}\n    permissions: '0600'\n    content: |\n      {token}\nruncmd:\n  - {command}\n  - rm -f {FILE}"
    )
}
