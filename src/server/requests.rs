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
use tokio::time::timeout;
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
    let under_way = context.admission.request();
    let waits = request.headers().contains_key(EXPECT);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(context.clone());
    if body.is_end_stream() {
        let answered = service.oneshot(Request::from_parts(parts, axum::body::Body::empty()));
        return Box::pin(async {
            answered.await.map(|it| it.map(|body| Reply { body, under_way }))
        });
    }
    let lent = Lent::new(body);
    let body = axum::body::Body::new(lent.clone());
    // Boxed, so that a held request keeps no room for what came with it.
    let answered = Box::pin(service.oneshot(Request::from_parts(parts, body)));
    Box::pin(async move {
        let response = answered.await?;
        let response = match lent.unread(waits) {
            None => response,
            Some(rest) => Box::pin(once_read(rest, response)).await,
        };
        Ok(response.map(|body| Reply { body, under_way }))
    })
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
