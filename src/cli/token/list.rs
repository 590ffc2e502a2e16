use serde_json::{Value, json};

use super::{ListArguments, all_tokens};
use crate::{
    cli::output::Output,
    model::Failure,
    rt::{Clock, Timestamp},
    wire::audit::LedgerToken,
};

/// The tokens that let somebody in today.
pub fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let now = Clock::system().now();
    let tokens: Vec<LedgerToken> =
        all_tokens(&access)?.tokens.into_iter().filter(|token| is_good(token, now)).collect();
    if output.is_json() {
        let tokens: Vec<Value> = tokens.iter().map(with_uses_left).collect();
        output.json(&json!({ "tokens": tokens }));
        return Ok(());
    }
    let rows = tokens.into_iter().map(|token| {
        let left = uses_left(&token).map_or("any".into(), |left| left.to_string());
        let (roles, validity) = (roles(&token), validity(&token));
        let replaces = if token.allow_replace { "yes" } else { "no" };
        let description = token.description.unwrap_or_default();
        [token.token_id, roles, validity, left, replaces.to_owned(), description]
    });
    let heads = ["TOKEN ID", "ROLES", "VALIDITY", "USES LEFT", "REPLACES", "DESCRIPTION"];
    output.table(heads, rows);
    Ok(())
}

pub fn ledger(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let ledger = all_tokens(&access)?;
    if output.is_json() {
        output.json(&ledger);
        return Ok(());
    }
    let rows = ledger.tokens.into_iter().map(|token| {
        let (roles, validity) = (roles(&token), validity(&token));
        let hosts: Vec<&str> = token.uses.iter().map(|used| used.runner_id.as_str()).collect();
        [token.token_id, roles, validity, token.created_by, hosts.join(" ")]
    });
    output.table(["TOKEN ID", "ROLES", "VALIDITY", "MADE BY", "HOSTS"], rows);
    Ok(())
}

fn is_good(token: &LedgerToken, now: Timestamp) -> bool {
    let expiry = token.expires_at.as_deref().and_then(Timestamp::parse_rfc3339);
    token.revoked_at.is_none() && expiry.is_none_or(|expiry| now < expiry)
}

/// How many hosts it still lets in; `None` without a limit.
fn uses_left(token: &LedgerToken) -> Option<u32> {
    let used = u32::try_from(token.uses.len()).unwrap_or(u32::MAX);
    token.max_uses.map(|most| most.saturating_sub(used))
}

fn with_uses_left(token: &LedgerToken) -> Value {
    let mut shown = serde_json::to_value(token).expect("plain data");
    shown["uses_left"] = uses_left(token).into();
    shown
}

fn validity(token: &LedgerToken) -> String {
    match (&token.revoked_at, &token.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "persistent".to_owned(),
    }
}

fn roles(token: &LedgerToken) -> String {
    if token.roles.is_empty() { "none".into() } else { token.roles.join(",") }
}
