use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    host_roles::says,
    token::{Comer, comers, find},
};
use crate::{
    cluster::{
        operations::tokens::{InvalidTokenRequest, TokenOptions, create_token},
        permissions::ManageTokens,
        records::TokenRecord,
    },
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    model::{CoordinatorAddress, Role, Secret, TokenId},
    server::API_PORT,
    ui::{
        Ui,
        error::{PageResult, rendered, see_other},
        forms::{Fields, NONCE, Sent, nonce},
        frame::{Frame, Section},
        session::SignedIn,
        text::{Moment, Shown},
    },
    wire::{
        downloads::{DOWNLOADS_PATH, curl_pin},
        join_commands::{
            cloud_init, join_command, join_with_curl, join_with_script, on_standard_input,
        },
        tokens::EnrollmentTokenRequest,
    },
};

struct RoleChoice {
    name: &'static str,
    says: &'static str,
    is_chosen: bool,
}

struct Validity {
    seconds: &'static str,
    words: &'static str,
    is_chosen: bool,
}

const VALIDITIES: [(&str, &str); 6] = [
    ("600", "10 minutes"),
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "1 week"),
    ("2592000", "30 days"),
    ("31536000", "1 year"),
];

#[derive(Template)]
#[template(path = "token_new.html")]
struct NewPage {
    frame: Frame,
    roles: Vec<RoleChoice>,
    is_persistent: bool,
    validities: Vec<Validity>,
    max_uses: String,
    description: String,
    allow_replace: bool,
    nonce: String,
    failed: Option<Shown>,
    failed_field: &'static str,
}

struct Way {
    id: &'static str,
    title: &'static str,
    hint: String,
    command: String,
}

#[derive(Template)]
#[template(path = "token_text.html")]
struct TextPage {
    frame: Frame,
    id: String,
    text: String,
    ways: Vec<Way>,
    roles: Vec<Shown>,
    expires: Option<Moment>,
    comers: Vec<Comer>,
}

fn page(frame: Frame, typed: &Fields, failed: Option<&InvalidTokenRequest>) -> NewPage {
    let offered = Role::ALL.into_iter();
    // No other host than the first can be given these.
    let offered = offered.filter(|role| !matches!(role, Role::Coordinator | Role::Director));
    let choice = |role: Role| RoleChoice {
        name: role.name(),
        says: says(role),
        is_chosen: typed.all("role").any(|name| name == role.name()),
    };
    let chosen = if typed.has("validity") { typed.one("validity") } else { "3600" };
    let validity = |(seconds, words)| Validity { seconds, words, is_chosen: seconds == chosen };
    NewPage {
        frame,
        roles: offered.map(choice).collect(),
        is_persistent: typed.one("kind") == "persistent",
        validities: VALIDITIES.into_iter().map(validity).collect(),
        max_uses: typed.one("max_uses").chars().take(20).collect(),
        description: typed.one("description").chars().take(2_000).collect(),
        allow_replace: typed.has("allow_replace"),
        nonce: nonce(),
        failed: failed.map(|error| Shown::long(&error.message)),
        failed_field: failed.map(|error| error.field).unwrap_or_default(),
    }
}

pub async fn form(by: SignedIn<ManageTokens>) -> Response {
    rendered(&page(Frame::of(&by, Section::Tokens), &Fields::default(), None))
}

fn options(fields: &Fields) -> Result<TokenOptions, InvalidTokenRequest> {
    let persistent = fields.one("kind") == "persistent";
    let number = |field: &'static str, text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| InvalidTokenRequest {
            field,
            message: format!("{field} is a whole number"),
        }),
    };
    let validity = if persistent { "" } else { fields.one("validity") };
    EnrollmentTokenRequest {
        persistent,
        roles: Some(fields.all("role").map(str::to_owned).collect()),
        validity_in_seconds: number("validity_in_seconds", validity)?,
        max_uses: number("max_uses", fields.one("max_uses"))?,
        description: Some(fields.one("description").trim().to_owned()).filter(|it| !it.is_empty()),
        allow_replace: fields.has("allow_replace"),
    }
    .try_into()
}

pub async fn generate(
    State(ui): State<Arc<Ui>>,
    Sent { by, fields }: Sent<ManageTokens>,
) -> PageResult {
    let options = match options(&fields) {
        Ok(options) => options,
        Err(error) => {
            let page = page(Frame::of(&by, Section::Tokens), &fields, Some(&error));
            return Ok((StatusCode::BAD_REQUEST, rendered(&page)).into_response());
        }
    };
    let id = made(ui.clone(), &by, fields.one(NONCE), options).await?;
    ui.texts.answered(&by.session.digest, id);
    Ok(see_other(&format!("/tokens/{id}/text")))
}

/// The token that this showing of the form makes, or has made. A second click ends the request of
/// the first one: it is made to its end all the same.
async fn made(
    ui: Arc<Ui>,
    by: &SignedIn<ManageTokens>,
    nonce: &str,
    options: TokenOptions,
) -> Result<TokenId, ApiError> {
    let (session, origin) = (by.session.digest.clone(), by.origin.clone());
    let cell = ui.once.cell(&session, nonce);
    let making = tokio::spawn(async move {
        let make = || async {
            let token = create_token(&ui.app, &origin, options).await?;
            ui.texts.keep(&session, token.record.id, token.text);
            Ok::<_, ApiError>(token.record.id)
        };
        cell.get_or_try_init(make).await.copied()
    });
    making.await.map_err(|_| Answer::Internal)?
}

fn ways(ui: &Ui, at: &CoordinatorAddress, token: &TokenRecord, text: &Secret) -> Vec<Way> {
    let roles = token.roles.beyond(&token.roles.that_keep_the_cluster());
    let url = at.with_port(API_PORT).base_url();
    let (pin, here) = (curl_pin(ui.app.key), on_standard_input(text));
    let flag = format!("--roles-token '{}'", text.expose());
    vec![
        Way {
            id: "curl",
            title: "curl",
            hint: "On a host that has curl and nothing else, as root. It fetches ece-agent from this coordinator, whose key it checks.".into(),
            command: join_with_curl(&url, &pin, &roles, &here),
        },
        Way {
            id: "agent",
            title: "ece-agent",
            hint: "On a host that has ece-agent, as root.".into(),
            command: join_command(at, &roles, &format!("--roles-token-file {here}")),
        },
        Way {
            id: "script",
            title: "Installer script",
            hint: format!("With the script that {url}{DOWNLOADS_PATH}/elastic-cloud-enterprise.sh serves."),
            command: join_with_script(at, &roles, &flag),
        },
        Way {
            id: "cloud-init",
            title: "cloud-init",
            hint: "User data for an image that has ece-agent. Whoever can read the machine's metadata can read the token.".into(),
            command: cloud_init(at, &roles, text),
        },
    ]
}

/// Who only asks whether the page is there has not seen it.
pub async fn text_head(
    _by: SignedIn<ManageTokens>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
) -> PageResult {
    find(&ui.app, &id)?;
    Ok(StatusCode::OK.into_response())
}

pub async fn text(
    by: SignedIn<ManageTokens>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
) -> PageResult {
    let since = ui.app.liveness.news.revision();
    let token = find(&ui.app, &id)?;
    let Some(text) = ui.texts.take(&by.session.digest, token.id) else {
        return Ok(see_other(&format!("/tokens/{}?done=shown", token.id)));
    };
    let at = ui.app.addresses.first().ok_or(Answer::Internal)?;
    Ok(rendered(&TextPage {
        frame: Frame::of(&by, Section::Tokens).live(since),
        id: token.id.to_string(),
        ways: ways(&ui, at, &token, &text),
        roles: token.roles.iter().map(|role| Shown::short(role.name())).collect(),
        expires: token.expires_at.map(Moment::from),
        comers: comers(&ui.app, &token).await?,
        text: text.expose().to_owned(),
    }))
}
