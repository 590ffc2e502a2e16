use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde_json::Value;

use crate::{
    api::{
        auth::{ChangeHosts, Permission, Permit, ReadHosts},
        listed::{Listed, listed_hosts},
        version::{VersionParameter, VersionedReply, with_version, with_version_of},
    },
    cluster::{
        app::App,
        hosts_now::{HostNow, HostsNow},
        operations::{
            document_secrets::without_secrets,
            documents::{self, Before, DocumentError, Expect, Versioned},
        },
        shown::{int32, public_hostname},
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path, Query, read_fields},
    },
    model::Role,
    rt::Timestamp,
    wire::{
        FailedReply,
        proxies::{ProxiesSettings, ProxyInfo, ProxyOverview},
    },
};

const DOCUMENTS: &str = "proxies";
const SETTINGS: &str = "settings";

/// Values that are looked at to show a proxy.
pub const LOOKS: usize = 10;

fn proxy_info(host: &HostNow<'_>) -> ProxyInfo {
    let (host, state) = (&*host.member, host.state());
    let tags = &host.facts.proxy_tags.0;
    ProxyInfo {
        proxy_id: host.runner_id.to_string(),
        runner_id: host.runner_id.to_string(),
        host_ip: host.facts.host_ip.to_string(),
        public_hostname: public_hostname(host),
        metadata: BTreeMap::clone(tags),
        healthy: state.is_healthy(Some(Role::Proxy)),
        zone: host.facts.zone.to_string(),
        allocations: Vec::new(),
    }
}

pub fn all_proxies(hosts: HostsNow<'_>) -> Vec<ProxyInfo> {
    hosts.with(Role::Proxy).map(|host| proxy_info(&host)).collect()
}

async fn stored(app: &App) -> Result<Option<Versioned>, ApiError> {
    Ok(documents::read(app, DOCUMENTS, SETTINGS).await?)
}

/// What was set, or nothing at all; secrets are empty for those who may not see them.
pub async fn settings(app: &App, with_secrets: bool) -> Result<ProxiesSettings, ApiError> {
    match stored(app).await? {
        Some(stored) => read(stored.document.value, with_secrets),
        None => Ok(ProxiesSettings::default()),
    }
}

fn read(value: Value, with_secrets: bool) -> Result<ProxiesSettings, ApiError> {
    let value = if with_secrets { value } else { without_secrets(DOCUMENTS, value) };
    serde_json::from_value(value).map_err(|_| unreadable())
}

fn unreadable() -> ApiError {
    ApiError::unreadable(format!("{DOCUMENTS}/{SETTINGS}"))
}

fn versioned(
    stored: Versioned,
    with_secrets: bool,
) -> Result<VersionedReply<ProxiesSettings>, ApiError> {
    let Versioned { mut document, version } = stored;
    let settings = read(document.value.take(), with_secrets)?;
    Ok(with_version_of(&document, version, settings))
}

/// List the proxies
#[utoipa::path(
    get,
    path = "/infrastructure/proxies",
    operation_id = "get-proxies",
    responses((status = 200, description = "All proxies", body = ProxyOverview))
)]
pub async fn list(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<Listed, ApiError> {
    let settings = match settings(&app, ChangeHosts::allows(&permit.user)).await {
        // Settings that cannot be read do not hide the proxies; whoever asks for them is told.
        Err(error) if error.is(Answer::Unreadable) => ProxiesSettings::default(),
        settings => settings?,
    };
    listed_hosts(&app, &permit, LOOKS, move |hosts| {
        let proxies = all_proxies(hosts);
        let proxies_count = int32(proxies.len());
        ProxyOverview { proxies_count, settings, proxies }
    })
    .await
}

/// Show a proxy
#[utoipa::path(
    get,
    path = "/infrastructure/proxies/{proxy_id}",
    operation_id = "get-proxy",
    params(("proxy_id" = String, Path, description = "The proxy's runner id")),
    responses(
        (status = 200, description = "The proxy", body = ProxyInfo),
        (status = 404, description = "proxies.proxy_not_found", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ProxyInfo>, ApiError> {
    let host = app
        .member(&id, Some(Role::Proxy))
        .ok_or_else(|| Answer::NoSuchProxy.saying(format!("there is no proxy {id}")))?;
    Ok(Json(proxy_info(&app.now(host))))
}

/// Show the settings of all proxies
#[utoipa::path(
    get,
    path = "/infrastructure/proxies/settings",
    operation_id = "get-proxies-settings",
    responses((status = 200, description = "Secrets for the admin only", body = ProxiesSettings))
)]
pub async fn get_settings(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
) -> Result<VersionedReply<ProxiesSettings>, ApiError> {
    let with_secrets = ChangeHosts::allows(&permit.user);
    match stored(&app).await? {
        Some(stored) => versioned(stored, with_secrets),
        None => Ok(with_version(Default::default(), 0, Timestamp::EPOCH, Timestamp::EPOCH)),
    }
}

async fn write(
    app: &App,
    permit: &Permit<ChangeHosts>,
    version: &VersionParameter,
    edit: impl Fn(Before<'_>) -> Result<ProxiesSettings, ApiError> + Sync,
) -> Result<VersionedReply<ProxiesSettings>, ApiError> {
    let expected = (Expect::Either, version.get()?);
    let edit = |before: Before<'_>| {
        serde_json::to_value(edit(before)?).map_err(|_| Answer::Internal.into())
    };
    let written =
        documents::write(app, &permit.origin, (DOCUMENTS, SETTINGS), expected, edit).await;
    let written = written.map_err(|error| match error {
        DocumentError::Invalid(error) => error,
        DocumentError::Unfinished(error) => error.into(),
        error @ (DocumentError::NotFound
        | DocumentError::Exists
        | DocumentError::TooMany
        | DocumentError::Conflict(_)) => Answer::ProxiesConflict.saying(error.to_string()),
    })?;
    versioned(written, true)
}

/// Replace the settings of all proxies
#[utoipa::path(
    put,
    path = "/infrastructure/proxies/settings",
    operation_id = "set-proxies-settings",
    params(VersionParameter),
    request_body = ProxiesSettings,
    responses(
        (status = 200, description = "The settings", body = ProxiesSettings),
        (status = 400, description = "root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 409, description = "proxies.version_conflict", body = FailedReply),
    )
)]
pub async fn set_settings(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<ProxiesSettings>,
) -> Result<VersionedReply<ProxiesSettings>, ApiError> {
    write(&app, &permit, &version, |_| Ok(request.clone())).await
}

/// Change what is given of the settings of all proxies; null leaves it as it was
#[utoipa::path(
    patch,
    path = "/infrastructure/proxies/settings",
    operation_id = "update-proxies-settings",
    params(VersionParameter),
    request_body = Object,
    responses(
        (status = 200, description = "The settings", body = ProxiesSettings),
        (status = 400, description = "root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 409, description = "proxies.version_conflict", body = FailedReply),
    )
)]
pub async fn update_settings(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<Value>,
) -> Result<VersionedReply<ProxiesSettings>, ApiError> {
    write(&app, &permit, &version, |before| {
        let before = match before {
            Before::Nothing => ProxiesSettings::default(),
            // Nobody could say what is left of them.
            Before::Unreadable => return Err(unreadable()),
            Before::Value(value) => read(value.clone(), true)?,
        };
        let mut value = serde_json::to_value(before).map_err(|_| Answer::Internal)?;
        merge(&mut value, &request);
        read_fields(value)
    })
    .await
}

/// Objects are merged, null changes nothing, all else replaces what was there.
fn merge(value: &mut Value, change: &Value) {
    match (value, change) {
        (_, Value::Null) => {}
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes.iter().filter(|(_, change)| !change.is_null()) {
                merge(fields.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change.clone(),
    }
}
