use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    cluster::{
        change::{Credential, Origin, Standing},
        operations::web_sessions::{self, SignInError},
        permissions::{OwnAccount, Permission},
        records::{Actor, UserRecord},
        sign_in::check_password,
    },
    http::{
        error::{Answer, ApiError, seconds},
        request_id::RequestId,
    },
    limits::source::Source,
    model::Secret,
    server::SharedContext,
    ui::{
        Ui,
        error::{PageResult, rendered, see_other},
        forms::{Asked, Fields, Open, Sent, form_token, nonce, own_path, query},
        frame::{Frame, Section},
        session::{Theme, secret, set_cookie},
        text::Shown,
    },
};

pub const PATH: &str = "/sign-in";

/// What the names of fields begin with that were typed into another form.
const KEPT: &str = "kept.";

/// The way to this page, and from there to `to`.
pub fn path(to: &str) -> String {
    match own_path(to).filter(|to| !matches!(*to, "/" | "/hosts")) {
        Some(to) => format!("{PATH}?{}", query(&[("to", to)])),
        None => PATH.to_owned(),
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    user: String,
    /// Where to go then.
    to: String,
    /// The form that was sent when nobody was signed in any more, and what was typed there.
    action: String,
    kept: Vec<(String, String)>,
    too_much: bool,
    failed: Option<Shown>,
    fingerprint: String,
}

#[derive(Template)]
#[template(path = "resume.html")]
struct ResumePage {
    frame: Frame,
    action: String,
    fields: Vec<(String, String)>,
    nonce: String,
}

fn page(ui: &Ui, theme: Theme) -> SignInPage {
    SignInPage {
        frame: Frame::of_nobody(theme),
        user: String::new(),
        to: String::new(),
        action: String::new(),
        kept: Vec::new(),
        too_much: false,
        failed: None,
        fingerprint: ui.app.cluster.pins.first().map(ToString::to_string).unwrap_or_default(),
    }
}

pub async fn show(State(ui): State<Arc<Ui>>, headers: HeaderMap, Asked(asked): Asked) -> Response {
    let known = secret(&headers).and_then(|secret| web_sessions::signed_in(&ui.app, &secret));
    let to = own_path(asked.one("to")).unwrap_or_default().to_owned();
    match known {
        Some(_) => see_other(if to.is_empty() { "/hosts" } else { &to }),
        None => rendered(&SignInPage { to, ..page(&ui, Theme::of(&headers)) }),
    }
}

/// The page for somebody whose form came too late.
pub fn again(ui: &Ui, theme: Theme, action: &str, fields: &Fields) -> Response {
    let kept: Option<Vec<_>> = fields.kept().map(|kept| kept.cloned().collect());
    let page = SignInPage {
        action: action.to_owned(),
        too_much: kept.is_none(),
        kept: kept.unwrap_or_default(),
        ..page(ui, theme)
    };
    (StatusCode::UNAUTHORIZED, rendered(&page)).into_response()
}

pub async fn sign_in(
    State(ui): State<Arc<Ui>>,
    Extension(connection): Extension<SharedContext>,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    Open(fields): Open,
) -> PageResult {
    let (name, password) = (fields.one("user"), Secret::new(fields.one("password")));
    let queued = connection.admission.queue();
    let from = Source::of(connection.address());
    let checked = check_password(&ui.app, name, &password, from).await;
    drop(queued);
    let user = match checked {
        Ok(user) => user,
        Err(error) => return Ok(failed(&ui, &headers, &fields, &error.into())),
    };
    connection.admission.belongs_to_user(&user.name);
    let origin = Origin {
        actor: Actor::User(user.name.clone()),
        address: connection.address(),
        request_id,
        standing: Some(Standing {
            user: user.clone(),
            allows: OwnAccount::allows,
            credential: Credential::Password,
        }),
    };
    match web_sessions::sign_in(&ui.app, &origin, &user).await {
        Ok(secret) => Ok(signed_in(&user, &secret, &headers, &fields)),
        Err(error) => Ok(failed(&ui, &headers, &fields, &error.into())),
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::TooManyChanges(wait) => {
                Answer::TooOften.saying("this user signs in too often").after(wait)
            }
            SignInError::Unfinished(error) => error.into(),
        }
    }
}

fn failed(ui: &Ui, headers: &HeaderMap, fields: &Fields, error: &ApiError) -> Response {
    let told = error.told();
    let wait = seconds(told.wait);
    let waits =
        matches!(told.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let says = match told.status {
        StatusCode::UNAUTHORIZED => {
            "This user and this password do not match, or the user is disabled.".to_owned()
        }
        _ if waits => format!("{}. Wait {wait} seconds and try again.", told.message),
        _ => told.message.to_owned(),
    };
    let page = SignInPage {
        user: fields.one("user").chars().take(64).collect(),
        to: own_path(fields.one("to")).unwrap_or_default().to_owned(),
        action: own_path(fields.one("action")).unwrap_or_default().to_owned(),
        kept: kept_in(fields).collect(),
        failed: Some(Shown::long(&says)),
        ..page(ui, Theme::of(headers))
    };
    let mut response = (told.status, rendered(&page)).into_response();
    if waits {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}

fn kept_in(fields: &Fields) -> impl Iterator<Item = (String, String)> {
    let kept = fields.kept().into_iter().flatten();
    kept.filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?.to_owned(), value.clone())))
}

fn signed_in(user: &UserRecord, secret: &Secret, headers: &HeaderMap, fields: &Fields) -> Response {
    let action = own_path(fields.one("action")).unwrap_or_default();
    let mut response = match action {
        "" => see_other(own_path(fields.one("to")).unwrap_or("/hosts")),
        action => {
            let frame = Frame::of_nobody(Theme::of(headers));
            rendered(&ResumePage {
                frame: frame.of_user(user, Section::None, form_token(secret)),
                action: action.to_owned(),
                fields: kept_in(fields).collect(),
                nonce: nonce(),
            })
        }
    };
    if let Some(cookie) = set_cookie(Some(secret)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub async fn sign_out(State(ui): State<Arc<Ui>>, sent: Sent<OwnAccount>) -> PageResult {
    web_sessions::sign_out(&ui.app, &sent.by.origin, &sent.by.session).await?;
    let mut response = see_other(PATH);
    if let Some(cookie) = set_cookie(None) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What a browser, or a system, is told to trust.
pub async fn ca(State(ui): State<Arc<Ui>>) -> Response {
    let kind = (header::CONTENT_TYPE, "application/x-pem-file");
    let name = (header::CONTENT_DISPOSITION, "attachment; filename=\"ece-agent-ca.pem\"");
    ([kind, name], ui.app.cluster.ca_certificate.clone()).into_response()
}
