use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use crate::{
    cluster::{
        app::App, operations::tokens::uses_of, permissions::ManageTokens, records::TokenRecord,
    },
    http::error::ApiError,
    rt::Timestamp,
    ui::{
        Ui,
        error::{PageResult, rendered},
        forms::{Asked, query},
        frame::{Frame, Section},
        session::SignedIn,
        text::{Moment, Shown, counted},
    },
};

const PAGE: usize = 50;

pub struct TokenRow {
    pub id: String,
    pub description: Option<Shown>,
    pub roles: Vec<Shown>,
    pub word: &'static str,
    pub class: &'static str,
    pub expires: Option<Moment>,
    pub uses: String,
    pub made: Moment,
    pub by: Shown,
    pub is_good: bool,
    pub is_revoked: bool,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    rows: Vec<TokenRow>,
    summary: String,
    next: Option<String>,
}

/// How it stands with a token that was used so often.
fn standing(token: &TokenRecord, uses: usize, now: Timestamp) -> (&'static str, &'static str) {
    match token {
        _ if token.revoked.is_some() => ("Revoked", "bad"),
        _ if token.expires_at.is_some_and(|at| at <= now) => ("Expired", "off"),
        _ if token.max_uses.is_some_and(|most| uses >= most as usize) => ("Used up", "off"),
        _ => ("Good", "good"),
    }
}

impl TokenRow {
    pub async fn of(app: &App, token: &TokenRecord) -> Result<Self, ApiError> {
        let uses = uses_of(app, token.id).await?.len();
        let (word, class) = standing(token, uses, app.clock.now());
        Ok(Self {
            id: token.id.to_string(),
            description: token.description.as_deref().filter(|it| !it.is_empty()).map(Shown::short),
            roles: token.roles.iter().map(|role| Shown::short(role.name())).collect(),
            word,
            class,
            expires: token.expires_at.map(Moment::from),
            uses: match token.max_uses {
                Some(most) => format!("{uses} of {most}"),
                None => uses.to_string(),
            },
            made: token.created_at.into(),
            by: Shown::short(&token.created_by.to_string()),
            is_good: class == "good",
            is_revoked: token.revoked.is_some(),
        })
    }
}

/// In which order they are shown: the latest first.
fn place(token: &TokenRecord) -> (Timestamp, String) {
    (token.created_at, token.id.to_string())
}

fn parse(text: &str) -> Option<(Timestamp, String)> {
    let (at, id) = text.split_once('~')?;
    Some((Timestamp::from_unix_millis(at.parse().ok()?), id.to_owned()))
}

pub async fn list(
    by: SignedIn<ManageTokens>,
    State(ui): State<Arc<Ui>>,
    Asked(asked): Asked,
) -> PageResult {
    let since = ui.app.liveness.news.revision();
    let mut tokens = ui.app.registry.tokens();
    let all = tokens.len();
    tokens.sort_by_cached_key(|token| std::cmp::Reverse(place(token)));
    if let Some(after) = parse(asked.one("after")) {
        tokens.retain(|token| place(token) < after);
    }
    let more = tokens.len() > PAGE;
    tokens.truncate(PAGE);
    let last = tokens.last().filter(|_| more).map(|token| place(token));
    let mut rows = Vec::with_capacity(tokens.len());
    for token in &tokens {
        rows.push(TokenRow::of(&ui.app, token).await?);
    }
    let after = |(at, id): (Timestamp, String)| format!("{}~{id}", at.unix_millis());
    Ok(rendered(&TokensPage {
        frame: Frame::of(&by, Section::Tokens).saying(asked.one("done")).live(since),
        rows,
        summary: counted(all, "token"),
        next: last.map(|last| format!("/tokens?{}", query(&[("after", &after(last))]))),
    }))
}
