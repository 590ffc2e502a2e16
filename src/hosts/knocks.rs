//! How often one may ask on the port for hosts, apart from the polls of members. Whoever is over hears
//! so at once, and has to make another connection.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use crate::{
    cluster::app::App,
    http::error::{Answer, ApiError},
    limits::{allowance::Allowance, source::Source},
    model::KeyId,
    server::SharedContext,
    wire::hosts::SESSION_PATH,
};

/// Requests of one key at once, and a second after that: more than a host needs that joins.
const OF_A_KEY: (f64, f64) = (20.0, 1.0);

/// Refusals of strangers at one address at once, and a second after that.
const REFUSED: (f64, f64) = (500.0, 50.0);

/// Keys, and addresses, that are remembered at a time.
const MOST: usize = 100_000;

/// What was asked lately, by the key, and refused, by where it came from.
pub struct Knocks {
    keys: Allowance<KeyId>,
    refused: Allowance<Source>,
}

impl Default for Knocks {
    fn default() -> Self {
        Self {
            keys: Allowance::new(OF_A_KEY.0, OF_A_KEY.1, MOST),
            refused: Allowance::new(REFUSED.0, REFUSED.1, MOST),
        }
    }
}

impl Knocks {
    /// Whether a stranger may ask. Where too much was refused, only a key may that has not asked
    /// before: a host that joins there gets in, and others have to pay with a handshake each.
    fn may_ask(&self, key: KeyId, from: Source) -> bool {
        let has_asked = !self.keys.is_whole(&key);
        self.keys.take(key).is_ok() && !(has_asked && self.refused.wait(&from).is_some())
    }

    /// Whether a member may ask for something that is not a poll.
    fn member_may_ask(&self, key: KeyId) -> bool {
        self.keys.take(key).is_ok()
    }
}

/// Lets a request pass if whoever asks has not asked too often.
pub async fn within_knocks(
    State((app, knocks)): State<(Arc<App>, Arc<Knocks>)>,
    Extension(connection): Extension<SharedContext>,
    request: Request,
    next: Next,
) -> Response {
    let Some(key) = connection.key else { return next.run(request).await };
    let from = Source::of(connection.address());
    if !is_member(&app, &key) {
        if !knocks.may_ask(key, from) {
            return turned_away();
        }
        let response = next.run(request).await;
        if response.status().is_client_error() {
            // It may be in debt: what is over already is refused all the same.
            let _ = knocks.refused.take(from);
        }
        return response;
    }
    let is_poll = request.uri().path() == SESSION_PATH;
    if is_poll && knocks.keys.wait(&key).is_some() || !is_poll && !knocks.member_may_ask(key) {
        return turned_away();
    }
    let response = next.run(request).await;
    if is_poll && response.status().is_client_error() {
        let _ = knocks.keys.take(key);
    }
    response
}

fn is_member(app: &App, key: &KeyId) -> bool {
    app.registry.view().key(key).is_some_and(|record| record.is_of_a_host())
}

fn turned_away() -> Response {
    ApiError::from(Answer::TooOften).hanging_up()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(number: u16) -> KeyId {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&number.to_be_bytes());
        KeyId::from_digest(digest)
    }

    #[tokio::test(start_paused = true)]
    async fn where_much_was_refused_a_key_that_comes_for_the_first_time_is_heard() {
        let knocks = Knocks::default();
        let [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|it| Source::of(it.into()));
        let asked = (0..100).filter(|_| knocks.may_ask(key(1), here)).count();
        assert_eq!(asked, OF_A_KEY.0 as usize);
        assert!(knocks.may_ask(key(2), here) && knocks.may_ask(key(2), here));
        while knocks.refused.take(here).is_ok() {}
        assert!(!knocks.may_ask(key(2), here), "it has asked before");
        assert!(knocks.may_ask(key(3), here) && !knocks.may_ask(key(3), here));
        assert!(knocks.may_ask(key(2), there));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(knocks.may_ask(key(1), here) && knocks.may_ask(key(1), here));
    }
}
