use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::host::the_host;
use crate::{
    cluster::{
        app::App,
        member::Member,
        operations::removal::{evict_runner, remove_runner},
        permissions::ChangeHosts,
    },
    http::{error::ApiError, extract::Path, hosts_and_tokens::not_deleted},
    model::Role,
    ui::{
        Ui,
        error::{PageResult, rendered, see_other},
        forms::Sent,
        frame::{Frame, Section},
        session::SignedIn,
        text::Shown,
    },
};

/// Something that has to be so before a host is removed.
struct Step {
    says: &'static str,
    is_done: bool,
    /// What to do for it.
    how: &'static str,
    command: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "host_delete.html")]
struct DeletePage {
    frame: Frame,
    id: String,
    name: Shown,
    roles: Vec<Shown>,
    steps: Vec<Step>,
    /// It holds what the cluster cannot be without.
    is_kept: bool,
    is_connected: bool,
}

fn steps(is_kept: bool, is_connected: bool) -> Vec<Step> {
    vec![
        Step {
            says: "It is neither coordinator nor director",
            is_done: !is_kept,
            how: "The cluster's datastore is on this host, and in this version on no other one: it cannot be removed.",
            command: None,
        },
        Step {
            says: "It is not connected",
            is_done: !is_connected,
            how: "Run this on the host, as root; it also takes away what the installation has made there. This page sees it at once.",
            command: Some("ece-agent uninstall"),
        },
    ]
}

fn page(app: &App, frame: Frame, host: &Arc<Member>) -> DeletePage {
    let is_kept = host.has(Role::Coordinator) || host.has(Role::Director);
    let is_connected = app.liveness.is_connected(&host.runner_id);
    DeletePage {
        frame,
        id: host.runner_id.to_string(),
        name: Shown::short(host.runner_id.as_str()),
        roles: host.roles.iter().map(|role| Shown::short(role.name())).collect(),
        steps: steps(is_kept, is_connected),
        is_kept,
        is_connected,
    }
}

pub async fn show(
    by: SignedIn<ChangeHosts>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
) -> PageResult {
    let since = ui.app.liveness.news.revision();
    let host = the_host(&ui.app, &id)?;
    Ok(rendered(&page(&ui.app, Frame::of(&by, Section::Hosts).live(since), &host)))
}

pub async fn delete(
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
    Sent { by, fields }: Sent<ChangeHosts>,
) -> PageResult {
    let host = the_host(&ui.app, &id)?;
    let runner = &host.runner_id;
    let removed = match fields.one("connected") {
        "evict" => evict_runner(&ui.app, &by.origin, runner).await,
        _ => remove_runner(&ui.app, &by.origin, runner).await,
    };
    removed.map_err(|error| -> ApiError { not_deleted(&id, error) })?;
    Ok(see_other("/hosts?done=deleted"))
}
