use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::host::the_host;
use crate::{
    cluster::{
        member::Member,
        operations::roles::{SetRolesError, WantedRoles, set_roles_at},
        permissions::ChangeHosts,
    },
    http::{error::ApiError, extract::Path},
    model::Role,
    ui::{
        Ui,
        error::{PageResult, rendered, see_other},
        forms::{Fields, Sent},
        frame::{Frame, Section},
        session::SignedIn,
        text::Shown,
    },
};

struct Choice {
    name: &'static str,
    says: &'static str,
    is_chosen: bool,
    /// Why it cannot be given now.
    why_not: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "host_roles.html")]
struct RolesPage {
    frame: Frame,
    id: String,
    name: Shown,
    choices: Vec<Choice>,
    /// Names beside the roles of this program, which stay as they are.
    other: Vec<String>,
    version: u64,
    /// Somebody else was faster: what the host has by now.
    conflict: Option<Vec<Shown>>,
}

const ONE_DATASTORE: &str =
    "In this version only the first host can have it: the datastore is one file there.";

pub fn says(role: Role) -> &'static str {
    match role {
        Role::Allocator => "Offers its memory to instances of Elasticsearch and Kibana.",
        Role::Coordinator => "Serves the API and these pages, and schedules.",
        Role::Director => "Runs the datastore.",
        Role::Proxy => "Brings users' traffic to the instances.",
    }
}

fn choices(host: &Member, is_chosen: impl Fn(Role) -> bool) -> Vec<Choice> {
    let choice = |role: &Role| {
        let keeps = matches!(role, Role::Coordinator | Role::Director);
        Choice {
            name: role.name(),
            says: says(*role),
            is_chosen: is_chosen(*role),
            why_not: (keeps && !host.has(*role)).then_some(ONE_DATASTORE),
        }
    };
    Role::ALL.iter().map(choice).collect()
}

fn page(frame: Frame, host: &Member, is_chosen: impl Fn(Role) -> bool) -> RolesPage {
    RolesPage {
        frame,
        id: host.runner_id.to_string(),
        name: Shown::short(host.runner_id.as_str()),
        choices: choices(host, is_chosen),
        other: host.other_roles.iter().cloned().collect(),
        version: host.desired().revision,
        conflict: None,
    }
}

pub async fn show(
    by: SignedIn<ChangeHosts>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
) -> PageResult {
    let host = the_host(&ui.app, &id)?;
    Ok(rendered(&page(Frame::of(&by, Section::Hosts), &host, |role| host.has(role))))
}

pub async fn change(
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
    Sent { by, fields }: Sent<ChangeHosts>,
) -> PageResult {
    let host = the_host(&ui.app, &id)?;
    let wanted = WantedRoles::from_names(fields.all("role")).map_err(ApiError::from)?;
    let version = fields.one("version").parse().ok();
    let same = wanted.roles == host.roles && wanted.other == host.other_roles;
    let (app, runner) = (&ui.app, &host.runner_id);
    match set_roles_at(app, &by.origin, runner, wanted, version).await {
        Ok(()) => {
            let done = if same { "same-roles" } else { "roles" };
            Ok(see_other(&format!("/hosts/{runner}?done={done}")))
        }
        Err(SetRolesError::Changed(_)) => Ok(conflict(&ui, &by, &id, &fields)?),
        Err(error) => Err(ApiError::from(error).into()),
    }
}

/// What was chosen, beside what somebody else has made of it meanwhile.
fn conflict(
    ui: &Ui,
    by: &SignedIn<ChangeHosts>,
    id: &str,
    fields: &Fields,
) -> Result<Response, ApiError> {
    let host = the_host(&ui.app, id)?;
    let wanted = |role: Role| fields.all("role").any(|name| name == role.name());
    let page = RolesPage {
        conflict: Some(host.roles.iter().map(|role| Shown::short(role.name())).collect()),
        ..page(Frame::of(by, Section::Hosts), &host, wanted)
    };
    Ok((StatusCode::CONFLICT, rendered(&page)).into_response())
}
