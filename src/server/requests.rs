//! A connection's requests: handlers get the body, and what they leave of it is dealt with here.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{CONNECTION, EXPECT, HeaderValue},
};
use tokio::{task::yield_now, time::timeout};
use tower::ServiceExt;

use super::{Service, SharedContext, door::UnderWay};

/// So many bytes of a body are read that nobody wants,
pub const MOST_UNWANTED: u64 = 1024 * 1024;

/// and for so long, to keep the connection for the next request.
const UNWANTED_FOR: Duration = Duration::from_secs(2);

type Answer = Response<Reply>;

/// Answers a request. A body that was not wanted is read to its end where that is near: a client
/// may look for the answer only when it has sent everything. Else the connection is said to end.
pub fn answer(
    service: Service,
    context: &SharedContext,
    request: Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>> {
    let (under_way, turn) = (context.admission.request(), others_turn(context));
    let waits = request.headers().contains_key(EXPECT);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(context.clone());
    if body.is_end_stream() {
        let answered = service.oneshot(Request::from_parts(parts, axum::body::Body::empty()));
        return Box::pin(async {
            turn.await;
            answered.await.map(|it| it.map(|body| Reply { body, under_way }))
        });
    }
    let lent = Lent::new(body);
    let body = axum::body::Body::new(lent.clone());
    // Boxed, so that a held request keeps no room for what came with it.
    let answered = Box::pin(service.oneshot(Request::from_parts(parts, body)));
    Box::pin(async move {
        turn.await;
        let response = answered.await?;
        let response = match lent.unread(waits) {
            None => response,
            Some(rest) => Box::pin(once_read(rest, response)).await,
        };
        Ok(response.map(|body| Reply { body, under_way }))
    })
}

/// Lets everybody else go first, unless it is the connection's first request: who sends many at once
/// would keep them waiting until all are answered.
fn others_turn(context: &SharedContext) -> impl Future<Output = ()> + Send + use<> {
    let is_first = context.asks_first();
    async move {
        if !is_first {
            yield_now().await;
        }
    }
}

/// The answer, after what was left of the request; it says so if that was too much.
async fn once_read(
    rest: Unread,
    mut response: axum::response::Response,
) -> axum::response::Response {
    if !ends_soon(rest).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body to its end; whether it is near enough.
async fn ends_soon(rest: Unread) -> bool {
    let Unread::Rest(mut body) = rest else { return false };
    if body.size_hint().lower() > MOST_UNWANTED {
        return false;
    }
    let mut left = MOST_UNWANTED;
    let reading = async {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let length = match frame {
                Ok(frame) => frame.data_ref().map_or(0, Bytes::len) as u64,
                Err(_) => return false,
            };
            match left.checked_sub(length) {
                Some(fewer) => left = fewer,
                None => return false,
            }
        }
        true
    };
    timeout(UNWANTED_FOR, reading).await.unwrap_or(false)
}

/// What a handler has left of a body.
enum Unread {
    Rest(Incoming),
    /// All of it, and the client waits to be asked for it: reading would ask.
    NotAskedFor,
}

/// A request's body that can be taken back.
#[derive(Clone)]
struct Lent(Arc<Mutex<State>>);

struct State {
    /// `None` once it was read to its end.
    body: Option<Incoming>,
    wanted: bool,
}

impl Lent {
    fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(State { body: Some(body), wanted: false })))
    }

    fn unread(&self, waits: bool) -> Option<Unread> {
        let mut state = self.state();
        let body = state.body.take()?;
        Some(if waits && !state.wanted { Unread::NotAskedFor } else { Unread::Rest(body) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no panic while held")
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut state = self.state();
        state.wanted = true;
        let Some(body) = &mut state.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            state.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.state().body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.state().body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// An answer's body; when it is gone, the connection is idle.
pub struct Reply {
    body: axum::body::Body,
    #[expect(dead_code, reason = "it is there to be dropped")]
    under_way: UnderWay,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tower::{service_fn as tower_service, util::BoxCloneSyncService};

    use super::*;
    use crate::server::{Audience, Bounds, ConnectionContext, Door};

    #[tokio::test]
    async fn who_sends_many_requests_at_once_gives_others_a_turn_before_each() {
        const MANY: usize = 100;
        let turns = Arc::new(AtomicUsize::new(0));
        let of_others = turns.clone();
        let others = tokio::spawn(async move {
            loop {
                of_others.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let service = BoxCloneSyncService::new(tower_service(move |_| {
            noted.lock().expect("no panic while held").push(turns.load(Ordering::SeqCst));
            std::future::ready(Ok(axum::response::Response::default()))
        }));
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let door = Arc::new(Door::new(Bounds::of(Audience::Users, 4096)));
        let admission = door.admit(peer.ip()).expect("a place");
        let context = Arc::new(ConnectionContext::new(1, peer, None, admission));
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let last = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
        let all = "GET / HTTP/1.1\r\n\r\n".repeat(MANY - 1) + last;
        client.write_all(all.as_bytes()).await.expect("sent");
        let service = service_fn(move |request| answer(service.clone(), &context, request));
        let served = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        served.await.expect("all answered");
        others.abort();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.expect("read");
        assert_eq!(answers.matches("HTTP/1.1 200").count(), MANY);
        let mut seen = seen.lock().expect("no panic while held").clone();
        seen.dedup();
        assert_eq!(seen.len(), MANY, "{seen:?}");
    }
}
