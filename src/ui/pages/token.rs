use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::{shown_host::HostRow, tokens::TokenRow};
use crate::{
    cluster::{
        app::App,
        operations::{
            removal::evict_hosts_of,
            tokens::{revoke_token, uses_of},
        },
        permissions::{ChangeHosts, ManageTokens},
        records::{TokenRecord, UseRecord},
        shown::RunnerView,
    },
    http::{
        error::{Answer, ApiError},
        extract::Path,
    },
    ui::{
        Ui,
        error::{PageResult, rendered, see_other},
        forms::{Asked, Sent},
        frame::{Frame, Section},
        session::SignedIn,
        text::{Moment, Shown},
    },
};

/// A host that has come with the token.
pub struct Comer {
    pub id: String,
    pub name: Shown,
    pub at: Moment,
    /// As it is now; `None` if it is no member any more, or came anew with another token.
    pub host: Option<HostRow>,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    token: TokenRow,
    comers: Vec<Comer>,
    allows_replace: bool,
    revoked: Option<(Moment, Shown)>,
}

#[derive(Template)]
#[template(path = "token_revoke.html")]
struct RevokePage {
    frame: Frame,
    token: TokenRow,
    /// How many would be removed, and the names of the first of them.
    many: usize,
    members: Vec<Shown>,
}

/// Hosts that are named before they are removed.
const MOST_NAMED: usize = 50;

/// Hosts that one press of the button removes, so that its answer is not long in coming.
const MOST_EVICTED: usize = 200;

pub fn find(app: &App, id: &str) -> Result<Arc<TokenRecord>, ApiError> {
    let id = id.parse().map_err(|_| Answer::NoSuchToken)?;
    app.registry.view().token(id).ok_or(Answer::NoSuchToken.into())
}

/// The hosts that have come with a token, the latest first.
pub async fn comers(app: &App, token: &TokenRecord) -> Result<Vec<Comer>, ApiError> {
    const MOST: usize = 200;
    let mut uses = uses_of(app, token.id).await?;
    uses.sort_by_key(|used| std::cmp::Reverse(used.at));
    let comer = |used: UseRecord| {
        let host = app.member(used.runner_id.as_str(), None);
        let same = host.filter(|host| host.joined.token == Some(token.id));
        Comer {
            id: used.runner_id.to_string(),
            name: Shown::short(used.runner_id.as_str()),
            at: used.at.into(),
            host: same.map(|host| HostRow::of(&RunnerView(app.now(host)))),
        }
    };
    Ok(uses.into_iter().take(MOST).map(comer).collect())
}

pub async fn show(
    by: SignedIn<ManageTokens>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
    Asked(asked): Asked,
) -> PageResult {
    let since = ui.app.liveness.news.revision();
    let token = find(&ui.app, &id)?;
    let revoked = token.revoked.as_ref();
    Ok(rendered(&TokenPage {
        frame: Frame::of(&by, Section::Tokens).saying(asked.one("done")).live(since),
        comers: comers(&ui.app, &token).await?,
        allows_replace: token.allow_replace,
        revoked: revoked.map(|it| (it.at.into(), Shown::short(&it.by.to_string()))),
        token: TokenRow::of(&ui.app, &token).await?,
    }))
}

pub async fn confirm(
    by: SignedIn<ManageTokens>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
) -> PageResult {
    let token = find(&ui.app, &id)?;
    let members = ui.app.registry.let_in_by(token.id);
    let named = members.iter().take(MOST_NAMED);
    Ok(rendered(&RevokePage {
        frame: Frame::of(&by, Section::Tokens),
        token: TokenRow::of(&ui.app, &token).await?,
        many: members.len(),
        members: named.map(|runner| Shown::short(runner.as_str())).collect(),
    }))
}

pub async fn revoke(
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
    Sent { by, fields }: Sent<ManageTokens>,
) -> PageResult {
    let token = find(&ui.app, &id)?;
    let evicts = fields.one("hosts") == "evict";
    if evicts && !by.may::<ChangeHosts>() {
        return Err(Answer::Forbidden.into());
    }
    // One that is revoked already may still have hosts to be removed.
    if token.revoked.is_none() {
        revoke_token(&ui.app, &by.origin, &token.id.to_string()).await?;
    }
    let done = match evicts {
        false => "revoked",
        true => match evict_hosts_of(&ui.app, &by.origin, token.id, MOST_EVICTED).await?.left {
            0 => "evicted",
            _ => "evicted-some",
        },
    };
    Ok(see_other(&format!("/tokens/{}?done={done}", token.id)))
}
