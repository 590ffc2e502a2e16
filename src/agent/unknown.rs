use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{client::ClientError, model::Code, model::CoordinatorAddress};

/// How long coordinators that do not answer may yet be the ones that know the host.
const PATIENCE: Duration = Duration::from_secs(60);

/// The coordinators that do not know the host, or do not answer, since one last did. One alone may
/// not have heard yet of a host that others know.
#[derive(Debug, Default)]
pub struct UnknownTo {
    unknown: BTreeSet<CoordinatorAddress>,
    silent: BTreeSet<CoordinatorAddress>,
    since: Option<Instant>,
}

impl UnknownTo {
    /// One of them knows it.
    pub fn nobody(&mut self) {
        *self = Self::default();
    }

    /// What became of asking one of them; whether nobody knows the host, as far as can be known.
    pub fn failed(
        &mut self,
        coordinator: &CoordinatorAddress,
        error: &ClientError,
        all: impl Iterator<Item = CoordinatorAddress>,
    ) -> bool {
        match error {
            _ if error.is(Code::HostUnknown) => {
                self.silent.remove(coordinator);
                self.unknown.insert(coordinator.clone());
                self.since.get_or_insert_with(Instant::now);
            }
            ClientError::Dial(_) if !self.unknown.contains(coordinator) => {
                self.silent.insert(coordinator.clone());
            }
            ClientError::Dial(_) => {}
            // Whoever says something else may know it.
            _ => {
                self.unknown.remove(coordinator);
                self.silent.remove(coordinator);
            }
        }
        let waited = self.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        let mut all = all;
        !self.unknown.is_empty()
            && all.all(|it| self.unknown.contains(&it) || waited && self.silent.contains(&it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::DialError;

    fn at(text: &str) -> CoordinatorAddress {
        text.parse().expect("an address")
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_unknown_when_all_say_so_or_the_others_are_silent_for_long() {
        let code = Code::HostUnknown.name().to_owned();
        let unknown = ClientError::Refused { status: 403, code, message: String::new(), fix: None };
        let silent = ClientError::Dial(DialError::ConnectionRefused(at("10.0.0.2")));
        let busy = ClientError::Busy(at("10.0.0.2"));
        let (one, two) = (at("10.0.0.1"), at("10.0.0.2"));
        let all = || [at("10.0.0.1"), at("10.0.0.2")].into_iter();
        let mut unknown_to = UnknownTo::default();
        assert!(!unknown_to.failed(&one, &unknown, all()));
        assert!(!unknown_to.failed(&two, &busy, all()));
        assert!(!unknown_to.failed(&two, &silent, all()));
        tokio::time::advance(PATIENCE).await;
        assert!(unknown_to.failed(&one, &unknown, all()));
        assert!(!unknown_to.failed(&two, &busy, all()), "it may know the host");
        assert!(unknown_to.failed(&two, &unknown, all()));
        unknown_to.nobody();
        assert!(!unknown_to.failed(&two, &unknown, all()));
        tokio::time::advance(PATIENCE).await;
        assert!(!unknown_to.failed(&two, &unknown, all()), "the other one was not asked");
    }
}
