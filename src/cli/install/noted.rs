//! What root writes down of the cluster when the host becomes a member, so that it need not ask
//! the service user later.

use std::path::Path;

use super::{installation::Installation, made::write_public};
use crate::{
    agent::{Identity, Progress},
    cli::known_host::{CLUSTER_FILE, KnownHost},
    config::Purpose,
    model::{Code, Failure},
};

impl Installation<'_> {
    /// Writes the file, if it is not there or `renew` says that this is another membership. Into one
    /// that is there go roles that root asks for.
    pub(super) fn note_cluster(
        &self,
        identity: &Identity,
        renew: bool,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let before = KnownHost::of_service();
        if !renew && Path::new(CLUSTER_FILE).exists() {
            return self.note_roles(before);
        }
        match KnownHost::of_installation(&self.options, identity, before.and_then(|it| it.roles)) {
            Some(known) => write_public(CLUSTER_FILE, &known.as_file()).map(|_| ()),
            // Whoever needs it is told how to do without.
            None => {
                self.why_not_noted().iter().for_each(|failure| progress.warning(failure));
                Ok(())
            }
        }
    }

    fn note_roles(&self, before: Option<KnownHost>) -> Result<(), Failure> {
        let asked = Some(self.options.purpose.roles().clone());
        match before {
            Some(mut known) if self.options.roles_given && known.roles != asked => {
                known.roles = asked;
                write_public(CLUSTER_FILE, &known.as_file()).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Where a pin was given, somebody expects it to be written down.
    fn why_not_noted(&self) -> Option<Failure> {
        let purpose = &self.options.purpose;
        let Purpose::Stay(stay) = purpose else { return None };
        if stay.pins.is_empty() || stay.first_host {
            return None;
        }
        let not_written = format!("{CLUSTER_FILE} was not written");
        Some(match purpose.route_of_member() {
            Some(_) => {
                let message = format!(
                    "{not_written}: the CA that was given is not that of the cluster which this host has joined"
                );
                Failure::new(Code::TrustPinMismatch, message)
            }
            None => {
                let message = format!("{not_written}: no coordinator was named");
                Failure::new(Code::ConfigInvalid, message).with_fix("Add --coordinator-host HOST.")
            }
        })
    }
}
