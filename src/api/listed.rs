//! Replies that look at everything there is.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use super::auth::{Permission, Permit};
use crate::{
    cluster::{
        app::App,
        hosts_now::HostsNow,
        lists::{ListError, Place},
    },
    http::error::{Answer, ApiError},
};

/// A reply whose JSON was written where it was made: that of many hosts takes a while. A long one
/// keeps its user's place until it is sent, so that lists that nobody reads do not pile up.
pub struct Listed {
    json: Bytes,
    unsent: Option<Place>,
}

/// Bytes that are handed on at a time, and from which on a reply is a long one.
const PART: usize = 64 * 1024;

impl Listed {
    pub fn of<P: Permission>(
        app: &App,
        permit: &Permit<P>,
        json: Vec<u8>,
    ) -> Result<Self, ApiError> {
        let unsent = match json.len() > PART {
            true => Some(app.lists.unsent(&permit.user.name).ok_or_else(too_many_lists)?),
            false => None,
        };
        Ok(Self { json: json.into(), unsent })
    }
}

impl IntoResponse for Listed {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/json")];
        match self.unsent {
            None => (headers, self.json).into_response(),
            Some(_) => (headers, Body::new(self)).into_response(),
        }
    }
}

impl hyper::body::Body for Listed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.json.len().min(PART);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.json.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.json.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.json.len() as u64)
    }
}

fn too_many_lists() -> ApiError {
    Answer::TooOften.saying("too many lists are being made; try again in a moment")
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Busy => too_many_lists(),
            ListError::Failed => Answer::Internal.into(),
        }
    }
}

/// The reply that `make` makes, which looks at about `looks` values.
pub async fn listed<P: Permission, T: Serialize>(
    app: &App,
    permit: &Permit<P>,
    looks: usize,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<Listed, ApiError> {
    let json = app.lists.make(&permit.user.name, looks, move || serde_json::to_vec(&make()));
    let json = json.await?.map_err(|_| Answer::Internal)?;
    Listed::of(app, permit, json)
}

/// The same of all hosts, as they are when it is made; of each about `looks` values are looked at.
pub async fn listed_hosts<P: Permission, T: Serialize>(
    app: &Arc<App>,
    permit: &Permit<P>,
    looks: usize,
    make: impl FnOnce(HostsNow<'_>) -> T + Send + 'static,
) -> Result<Listed, ApiError> {
    let json = of_hosts(app, permit, looks, |hosts| serde_json::to_vec(&make(hosts)));
    let json = json.await?.map_err(|_| Answer::Internal)?;
    Listed::of(app, permit, json)
}

/// What `work` finds in all hosts, as they are when it is done.
pub async fn of_hosts<P: Permission, T: Send + 'static>(
    app: &Arc<App>,
    permit: &Permit<P>,
    looks: usize,
    work: impl FnOnce(HostsNow<'_>) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let looks = app.registry.count_hosts().saturating_mul(looks);
    let of = app.clone();
    Ok(app.lists.make(&permit.user.name, looks, move || work(of.hosts_now())).await?)
}
