//! Replies that look at everything there is.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    auth::{Permission, Permit},
    error::ApiError,
};
use crate::coordinator::{
    app::{App, HostNow},
    lists::ListError,
};

/// A reply whose JSON was written where it was made: that of many hosts takes a while.
pub struct Listed(Bytes);

impl IntoResponse for Listed {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Busy => Self::TooManyLists,
            ListError::Failed => Self::Internal,
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
    let json = json.await?.map_err(|_| ApiError::Internal)?;
    Ok(Listed(json.into()))
}

/// The same of all hosts, as they are when it is made; of each about `looks` values are looked at.
pub async fn listed_hosts<P: Permission, T: Serialize>(
    app: &Arc<App>,
    permit: &Permit<P>,
    looks: usize,
    make: impl FnOnce(Vec<HostNow>) -> T + Send + 'static,
) -> Result<Listed, ApiError> {
    let json = of_hosts(app, permit, looks, |hosts| serde_json::to_vec(&make(hosts)));
    let json = json.await?.map_err(|_| ApiError::Internal)?;
    Ok(Listed(json.into()))
}

/// What `work` finds in all hosts, as they are when it is done.
pub async fn of_hosts<P: Permission, T: Send + 'static>(
    app: &Arc<App>,
    permit: &Permit<P>,
    looks: usize,
    work: impl FnOnce(Vec<HostNow>) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let looks = app.registry.count_hosts().saturating_mul(looks);
    let of = app.clone();
    Ok(app.lists.make(&permit.user.name, looks, move || work(of.hosts_now())).await?)
}
