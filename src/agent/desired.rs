//! What the coordinator wants of this host, kept on the disk: it runs before anybody is asked.

use std::io;

use super::identity::Identity;
use crate::{
    config::StateDir,
    model::RoleSet,
    rt::{Patient, aside, files},
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

pub(super) async fn save_desired(
    disk: &mut Patient,
    state: &StateDir,
    desired: &DesiredState,
) -> io::Result<()> {
    let content = serde_json::to_vec(desired).expect("plain data");
    let file = state.desired();
    let saved = disk.aside(move || files::write_private(&file, &content)).await;
    saved.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// The roles that the host has, as far as it has heard.
pub fn roles_today(state: &StateDir, identity: &Identity) -> RoleSet {
    match read_desired(state) {
        DesiredState { revision: 0, .. } => identity.joined_roles.clone(),
        heard => heard.known_roles(),
    }
}
