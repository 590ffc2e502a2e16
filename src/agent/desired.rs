//! What the coordinator wants of this host, kept on the disk: it runs before anybody is asked.

use super::identity::Identity;
use crate::{
    config::StateDir,
    model::RoleSet,
    rt::{aside, files},
    wire::hosts::DesiredState,
};

const MAX_FILE: u64 = 1 << 20;

pub(super) async fn load_desired(state: &StateDir) -> DesiredState {
    let state = state.clone();
    aside(move || read_desired(&state)).await
}

fn read_desired(state: &StateDir) -> DesiredState {
    let content = files::read_kept(&state.desired(), MAX_FILE).ok().flatten();
    // Without it the coordinator says it again.
    content.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default()
}

pub(super) async fn save_desired(state: &StateDir, desired: &DesiredState) {
    let content = serde_json::to_vec(desired).expect("plain data");
    let file = state.desired();
    if let Err(error) = aside(move || files::write_private(&file, &content)).await {
        tracing::warn!(%error, "the desired state was not kept");
    }
}

/// The roles that the host has, as far as it has heard.
pub fn roles_today(state: &StateDir, identity: &Identity) -> RoleSet {
    match read_desired(state) {
        DesiredState { revision: 0, .. } => identity.joined_roles.clone(),
        heard => heard.known_roles(),
    }
}
