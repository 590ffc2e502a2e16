//! What the coordinator wants of this host, kept on the disk: it runs before anybody is asked.

use std::io;

use super::identity::Identity;
use crate::{
    config::StateDir,
    model::RoleSet,
    rt::{Patient, aside, files},
    wire::desired::DesiredState,
};

const MAX_FILE: u64 = 1 << 20;

/// What this host, which joined with these roles, runs until it hears more.
pub async fn load_desired(state: &StateDir, joined: &RoleSet) -> DesiredState {
    let state = state.clone();
    let heard = aside(move || read_desired(&state)).await;
    match heard.roles.is_empty() && heard.revision == 0 {
        // Without them there may be nobody to hear it from.
        true => DesiredState::of(&joined.that_keep_the_cluster()),
        false => heard,
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_host_that_has_heard_nothing_runs_what_keeps_the_cluster_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = StateDir::new(dir.path().to_owned());
        let roles = |text: &str| text.parse::<RoleSet>().expect("roles");
        let (first, other) = (RoleSet::all(), roles("allocator,proxy"));
        // No file, one that is damaged, and one of a host that was refused.
        for content in [None, Some("{"), Some(r#"{"revision":0,"roles":[]}"#)] {
            if let Some(content) = content {
                fs::write(state.desired(), content).expect("written");
            }
            let before_all = load_desired(&state, &first).await;
            assert_eq!(before_all, DesiredState::of(&roles("coordinator,director")), "{content:?}");
            assert_eq!(load_desired(&state, &other).await, DesiredState::default());
        }
        let heard = DesiredState { revision: 2, ..DesiredState::of(&roles("proxy")) };
        let mut disk = Patient::default();
        save_desired(&mut disk, &state, &heard).await.expect("kept");
        assert_eq!(load_desired(&state, &first).await, heard);
        // It has been told to run nothing.
        let nothing = DesiredState { revision: 3, ..Default::default() };
        save_desired(&mut disk, &state, &nothing).await.expect("kept");
        assert_eq!(load_desired(&state, &first).await, nothing);
    }
}
