//! What root writes down of the cluster when the host becomes a member, so that it need not ask
//! the service user later.

use super::{Installation, service::write_public};
use crate::{
    agent::Identity,
    cli::{
        known_host::{CLUSTER_FILE, KnownHost},
        secrets_file::SecretsFile,
    },
    config::Purpose,
    host::service::service_user,
    model::Failure,
    token::UnverifiedToken,
};

impl Installation {
    /// Writes the file, if it is not there or `renew` says that this is another membership.
    pub(super) fn note_cluster(&self, identity: &Identity, renew: bool) -> Result<(), Failure> {
        if !renew && std::path::Path::new(CLUSTER_FILE).exists() {
            return Ok(());
        }
        let token = match &self.options.purpose {
            Purpose::FirstHost(_) => self.token_of_first_host(),
            Purpose::Join(_) => None,
        };
        match KnownHost::of_installation(&self.options, token.as_ref(), identity) {
            Some(known) => write_public(CLUSTER_FILE, &known.as_file()),
            // Whoever needs it is told how to do without.
            None => Ok(()),
        }
    }

    /// A token from the secrets file, which has been out of the service user's hands since the
    /// cluster was made.
    fn token_of_first_host(&self) -> Option<UnverifiedToken> {
        let never = service_user().ok()?.map(|user| user.uid);
        let secrets = SecretsFile::open(&self.options.settings.storage_path, never).ok()??;
        UnverifiedToken::parse(secrets.get("bootstrap_runner_roles_token")?.expose()).ok()
    }
}
