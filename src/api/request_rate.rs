//! How often one client may ask. Who is over hears so at once, and has to make another connection;
//! nobody else feels it.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};

use super::auth::Known;
use crate::{
    cluster::app::App,
    http::error::{Answer, ApiError},
    limits::{askers::Askers, source::Source},
    server::SharedContext,
};

/// Requests a second of one user: more than any tool needs, and less than a coordinator can take.
const OF_A_USER: f64 = 50_000.0;

/// And from one address without credentials that are known to be good.
const OF_STRANGERS: f64 = 500.0;

/// Addresses, and users, that are remembered at a time.
const MOST: usize = 100_000;

pub struct Limits(Askers);

impl Default for Limits {
    fn default() -> Self {
        Self(Askers::new(OF_A_USER, OF_STRANGERS, MOST))
    }
}

impl Limits {
    /// Whose a request is, unless its client has asked too often. Credentials that are not good, or
    /// need work to know, are at the expense of the address.
    fn admit(
        &self,
        app: &App,
        headers: &HeaderMap,
        from: Source,
    ) -> Result<Option<Known>, ApiError> {
        let known = Known::by(app, headers, from);
        self.allow(known.as_ref(), from).then_some(known).ok_or(Answer::TooOften.into())
    }

    fn allow(&self, known: Option<&Known>, from: Source) -> bool {
        self.0.allow(known.map(|known| known.user.name.as_str()), from)
    }
}

/// Lets a request pass if its client has not asked too often, and says whose it is.
pub async fn within_limits(
    State((app, limits)): State<(Arc<App>, Arc<Limits>)>,
    Extension(connection): Extension<SharedContext>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = Source::of(connection.address());
    match limits.admit(&app, request.headers(), from) {
        Ok(Some(known)) => {
            request.extensions_mut().insert(known);
        }
        Ok(None) => {}
        Err(error) => return error.hanging_up(),
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderValue, header};

    use super::*;
    use crate::cluster::{
        change::Credential,
        records::{UserRecord, UserRole},
        sessions::Way,
        testing::TestCluster,
    };

    #[tokio::test(start_paused = true)]
    async fn invented_credentials_are_at_the_expense_of_their_address_and_good_ones_are_not() {
        let cluster = TestCluster::start().await;
        let (limits, here) = (Limits::default(), Source::of([10, 0, 0, 1].into()));
        let passes = |authorization: String| {
            let value = HeaderValue::try_from(authorization).expect("a header");
            let headers = [(header::AUTHORIZATION, value)].into_iter().collect();
            limits.admit(&cluster.app, &headers, here).is_ok()
        };
        let schemes = ["Bearer", "ApiKey", "Basic", "Anything"];
        let invented = (0..2 * OF_STRANGERS as usize)
            .filter(|number| passes(format!("{} {number}", schemes[number % schemes.len()])));
        assert_eq!(invented.count(), OF_STRANGERS as usize);
        let admin = cluster.app.registry.view().user("admin").expect("an admin");
        let bearer = cluster.app.sessions.open(&admin, Way::Api);
        for _ in 0..2 * OF_STRANGERS as usize {
            assert!(passes(format!("Bearer {}", bearer.expose())));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_that_are_over_are_held_back_and_neither_others_nor_users_are() {
        let limits = Limits::default();
        let [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|it| Source::of(it.into()));
        let passed = |many: f64| (0..many as usize).filter(|_| limits.allow(None, here)).count();
        assert_eq!(passed(2.0 * OF_STRANGERS), OF_STRANGERS as usize);
        assert!(limits.allow(None, there), "another address");
        let admin = Known {
            user: Arc::new(UserRecord::new("admin", [UserRole::PlatformAdmin], "")),
            credential: Credential::Password,
        };
        let asks = (0..2 * OF_A_USER as usize).filter(|_| limits.allow(Some(&admin), here));
        assert_eq!(asks.count(), OF_A_USER as usize, "a user there");
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(passed(OF_STRANGERS), OF_STRANGERS as usize / 10);
    }
}
