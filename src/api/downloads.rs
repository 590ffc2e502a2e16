//! How the program gets onto a new machine: this coordinator's own binary, and a script that
//! fetches and installs it. Nothing here is secret, so nobody has to say who they are; whoever
//! fetches it pins this coordinator's key.

mod kept;

use std::{fs, io, net::Ipv4Addr, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, header},
    response::{IntoResponse, Response},
};
use kept::Kept;
use tokio::sync::OnceCell;

use crate::{
    cluster::app::App,
    http::error::{Answer, ApiError},
    limits::quiet::Quiet,
    model::CoordinatorAddress,
    rt::aside,
    server::API_PORT,
    wire::downloads::{DownloadInfo, curl_pin},
};

const JOIN_SCRIPT: &str = include_str!("../../scripts/join.sh");
const INSTALLER_SCRIPT: &str = include_str!("../../scripts/elastic-cloud-enterprise.sh");

/// What runs now, also after the file was replaced.
const OWN_BINARY: &str = "/proc/self/exe";

static CHECKSUM: OnceCell<String> = OnceCell::const_new();

static BINARY: Kept = Kept::new(|| fs::read(OWN_BINARY));

async fn read_binary() -> Result<Bytes, ApiError> {
    BINARY.get().await.map_err(unreadable)
}

fn unreadable(error: io::Error) -> ApiError {
    static SAID: Quiet = Quiet::new();
    if let Some(left_out) = SAID.may_tell(Ipv4Addr::UNSPECIFIED.into()) {
        tracing::error!(%error, left_out, "this program's own file cannot be read: {error}");
    }
    Answer::Internal.into()
}

async fn checksum() -> Result<&'static str, ApiError> {
    let computed = CHECKSUM.get_or_try_init(|| async {
        Ok::<_, ApiError>(hex::encode(digest(&SHA256, &read_binary().await?)))
    });
    computed.await.map(String::as_str)
}

fn platform() -> String {
    format!("Linux-{}", std::env::consts::ARCH)
}

/// The coordinator by the name that the client used, or by its own.
fn named(app: &App, headers: &HeaderMap) -> Result<CoordinatorAddress, ApiError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let given = host.and_then(|host| host.parse::<CoordinatorAddress>().ok());
    given.or_else(|| app.addresses.first().cloned()).ok_or(Answer::Internal.into())
}

pub async fn info(State(app): State<Arc<App>>) -> Result<Json<DownloadInfo>, ApiError> {
    Ok(Json(DownloadInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: platform(),
        sha256: checksum().await?.to_owned(),
        public_key_pin: curl_pin(app.key),
    }))
}

pub async fn binary(method: Method) -> Result<Response, ApiError> {
    let content_type = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
    if method == Method::HEAD {
        let file = aside(|| fs::metadata(OWN_BINARY)).await.map_err(unreadable)?;
        let length = (header::CONTENT_LENGTH, file.len().to_string());
        return Ok([content_type, length].into_response());
    }
    Ok(([content_type], read_binary().await?).into_response())
}

pub async fn checksum_file() -> Result<Response, ApiError> {
    let line = format!("{}  ece-agent\n", checksum().await?);
    Ok(([(header::CONTENT_TYPE, "text/plain")], line).into_response())
}

pub async fn join_script(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let coordinator = named(&app, &headers)?;
    let url = coordinator.with_port(API_PORT).base_url();
    let script = JOIN_SCRIPT
        .replace("@URL@", &url)
        .replace("@PIN@", &curl_pin(app.key))
        .replace("@SHA256@", checksum().await?)
        .replace("@PLATFORM@", &platform())
        .replace("@COORDINATOR@", coordinator.host());
    Ok(shell_script(script))
}

pub async fn installer_script() -> Response {
    shell_script(INSTALLER_SCRIPT.to_owned())
}

fn shell_script(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/x-shellscript")], text).into_response()
}
