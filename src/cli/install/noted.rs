//! What root writes down of the cluster when the host becomes a member, so that it need not ask
//! the service user later.

use std::path::Path;

use super::{installation::Installation, made::write_public};
use crate::{
    agent::Identity,
    cli::known_host::{CLUSTER_FILE, KnownHost},
    model::Failure,
};

impl Installation<'_> {
    /// Writes the file, if it is not there or `renew` says that this is another membership.
    pub(super) fn note_cluster(&self, identity: &Identity, renew: bool) -> Result<(), Failure> {
        if !renew && Path::new(CLUSTER_FILE).exists() {
            return Ok(());
        }
        match KnownHost::of_installation(&self.options, identity) {
            Some(known) => write_public(CLUSTER_FILE, &known.as_file()).map(|_| ()),
            // Whoever needs it is told how to do without.
            None => Ok(()),
        }
    }
}
