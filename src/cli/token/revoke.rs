use serde_json::json;

use super::{LEDGER, TokenArgument, all_tokens};
use crate::{
    cli::{
        access::{Access, AccessArguments},
        beginnings::the_one,
        output::Output,
    },
    client::HttpVerb,
    model::{Code, Failure, TokenId},
    token::UnverifiedToken,
    wire::audit::RevokedToken,
};

#[derive(clap::Args)]
pub struct RevokeArguments {
    /// The token, its id, or how its id begins
    #[command(flatten)]
    token: TokenArgument,
    /// Also remove the hosts that came with it; their sessions end at once
    #[arg(long)]
    evict: bool,
    #[command(flatten)]
    access: AccessArguments,
}

pub fn revoke(arguments: RevokeArguments, output: Output) -> Result<(), Failure> {
    let text = arguments.token.read()?;
    let text = text.expose().trim();
    let is_beginning = text.len() <= 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let id = match (text.parse::<TokenId>(), is_beginning) {
        (Ok(id), _) => Some(id),
        (Err(_), true) => None,
        (Err(_), false) => Some(UnverifiedToken::parse(text)?.claims().id),
    };
    let access = arguments.access.open()?;
    let id = match id {
        Some(id) => id,
        None => token_that_begins_with(&access, text, arguments.evict)?,
    };
    let mut evicted = Vec::new();
    if arguments.evict {
        let path = format!("{LEDGER}/{id}?evict=true");
        RevokedToken { evicted } = access.call(HttpVerb::Delete, &path)?.read()?;
    } else {
        access.told(access.client.revoke_token(id))?;
    }
    if output.is_json() {
        let mut shown = json!({ "token_id": id, "revoked": true });
        if arguments.evict {
            shown["evicted"] = evicted.into();
        }
        output.json(&shown);
    } else {
        output.line(&format!("revoked {id}"));
        evicted.iter().for_each(|runner| output.line(&format!("removed {runner}")));
    }
    Ok(())
}

/// One that is revoked already may still have hosts to be removed.
fn token_that_begins_with(
    access: &Access,
    beginning: &str,
    evict: bool,
) -> Result<TokenId, Failure> {
    let tokens = all_tokens(access)?.tokens;
    let kind = ("roles token", "ece-agent token list");
    let good = tokens.iter().filter(|token| token.revoked_at.is_none());
    let id = match the_one(beginning, kind, good.map(|token| token.token_id.as_str())) {
        Err(failure) if failure.is(Code::ApiRefused) => {
            let all = tokens.iter().map(|token| token.token_id.as_str());
            let id = the_one(beginning, kind, all)?;
            let revoked = tokens.iter().find(|token| token.token_id == id);
            if let Some(at) = revoked.and_then(|token| token.revoked_at.as_deref())
                && !evict
            {
                let message = format!("the roles token {id} was revoked already, at {at}");
                return Err(Failure::new(Code::ApiRefused, message).with_fix(
                    "Nothing: it lets nobody in. With --evict the hosts that came with it go too.",
                ));
            }
            id
        }
        found => found?,
    };
    id.parse().map_err(|_| Failure::new(Code::CoordinatorProtocol, "an id cannot be read"))
}
