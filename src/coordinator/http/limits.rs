//! How often one client may ask. Who is over hears so at once, and nobody else feels it.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Extension,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{context::SharedContext, error::ApiError};

/// Requests a second from one address with one credential: more than any tool needs, and less than
/// a coordinator can take.
const WITH_CREDENTIAL: f64 = 50_000.0;

/// And from one address without any.
const WITHOUT: f64 = 500.0;

/// Clients that are remembered at a time.
const MOST: usize = 100_000;

/// A client that has not asked for this long has all its room again.
const FORGOTTEN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Client {
    address: IpAddr,
    /// Zero for none. It is not worth anything to whoever learns it.
    credential: u64,
}

/// A second's worth of requests for each client, refilled all the time.
#[derive(Default)]
pub struct Limits(Mutex<HashMap<Client, (f64, Instant)>>);

impl Limits {
    fn allows(&self, client: Client) -> bool {
        let rate = if client.credential == 0 { WITHOUT } else { WITH_CREDENTIAL };
        let now = Instant::now();
        let mut clients = self.0.lock().expect("no panic while held");
        if clients.len() >= MOST {
            clients.retain(|_, (_, at)| now.duration_since(*at) < FORGOTTEN);
        }
        let (left, at) = clients.entry(client).or_insert((rate, now));
        *left = (*left + now.duration_since(*at).as_secs_f64() * rate).min(rate);
        *at = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// Lets a request pass if its client has not asked too often.
pub async fn within_limits(
    State(limits): State<Arc<Limits>>,
    Extension(connection): Extension<SharedContext>,
    request: Request,
    next: Next,
) -> Response {
    let credential = request.headers().get(header::AUTHORIZATION).map_or(0, |value| {
        let mut hasher = DefaultHasher::new();
        value.as_bytes().hash(&mut hasher);
        hasher.finish().max(1)
    });
    match limits.allows(Client { address: connection.address(), credential }) {
        true => next.run(request).await,
        false => ApiError::TooOften.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8, credential: u64) -> Client {
        Client { address: [10, 0, 0, last].into(), credential }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_over_is_held_back_and_others_are_not() {
        let limits = Limits::default();
        let passed = (0..2 * WITHOUT as usize).filter(|_| limits.allows(client(1, 0))).count();
        assert_eq!(passed, WITHOUT as usize);
        assert!(limits.allows(client(2, 0)), "another address");
        assert!(limits.allows(client(1, 7)), "another credential");
        tokio::time::advance(Duration::from_millis(100)).await;
        let passed = (0..WITHOUT as usize).filter(|_| limits.allows(client(1, 0))).count();
        assert_eq!(passed, WITHOUT as usize / 10);
    }
}
