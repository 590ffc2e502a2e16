use super::JoinOptions;
use crate::{
    model::{Code, CoordinatorAddress, Failure, Fingerprint},
    token::Claims,
};

/// Where a host goes to join, and by what it knows a coordinator as the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRoute {
    pub coordinators: Vec<CoordinatorAddress>,
    pub pins: Vec<Fingerprint>,
}

impl JoinRoute {
    /// What was given counts, and what was not is as the token says.
    pub(super) fn choose(
        coordinators: Vec<CoordinatorAddress>,
        pins: Vec<Fingerprint>,
        token: Option<&Claims>,
    ) -> Self {
        let said = |given: bool| token.filter(|_| !given);
        Self {
            coordinators: said(!coordinators.is_empty())
                .map_or(coordinators, |claims| claims.coordinators.clone()),
            pins: said(!pins.is_empty()).map_or(pins, |claims| claims.pins.clone()),
        }
    }

    /// Refuses one that leads nowhere, or to whoever answers.
    pub fn checked(self) -> Result<Self, Failure> {
        if self.coordinators.is_empty() {
            let message = "the roles token does not say where the coordinator is";
            return Err(
                Failure::new(Code::ConfigInvalid, message).with_fix("Add --coordinator-host HOST.")
            );
        }
        if self.pins.is_empty() {
            let message = "nothing says which coordinator is the right one: there is no roles token with a pin, and neither --ca-cert nor --ca-fingerprint was given";
            return Err(Failure::new(Code::TrustNoPin, message));
        }
        Ok(self)
    }
}

impl JoinOptions {
    /// The way of a join with the token of these options, which says `claims`.
    pub fn route(&self, claims: &Claims) -> Result<JoinRoute, Failure> {
        JoinRoute::choose(self.coordinators.clone(), self.pins.clone(), Some(claims)).checked()
    }
}
