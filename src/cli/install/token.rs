//! Where a roles token that was given leads, as far as that is known without showing it to anybody.

use super::installation::Installation;
use crate::{
    agent::find_coordinator,
    cli::progress::Silent,
    config::{JoinRoute, Purpose},
    model::Failure,
    preflight::Reach,
    rt::Clock,
    token::LocalRefusal,
};

impl Installation<'_> {
    /// What is wrong with the token is said before anything is made.
    pub(super) fn check_token(&self) -> Result<(), Failure> {
        let Purpose::Join(join) = &self.options.purpose else { return Ok(()) };
        let token = join.token.says()?;
        match token.check_locally(&join.roles, Clock::system().now()) {
            // The answer of an earlier attempt may be waiting.
            Ok(()) | Err(LocalRefusal::Expired { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes to a coordinator as a join does, and gives the token to nobody.
    pub(super) async fn reach_coordinator(&self, route: &JoinRoute) -> Option<Reach> {
        find_coordinator(route, self.options.wait_for_coordinator, &Silent).await
    }
}
