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
    let entry = format!("{LEDGER}/{id}");
    match arguments.evict {
        // One that is revoked already is no mistake here.
        true => access.call(HttpVerb::Delete, &entry).map(drop)?,
        false => access.told(access.client.revoke_token(id))?,
    }
    let mut shown = json!({ "token_id": id, "revoked": true });
    if !output.is_json() {
        output.line(&format!("revoked {id}"));
    }
    if arguments.evict {
        let path = format!("{entry}?evict=true&limit={AT_ONCE}");
        let step = || Ok(access.call(HttpVerb::Delete, &path)?.read()?);
        shown["evicted"] = evict(step, output)?.into();
    }
    if output.is_json() {
        output.json(&shown);
    }
    Ok(())
}

/// Hosts that are removed between two answers, which come in time on a slow disk too.
const AT_ONCE: usize = 50;

/// Removes hosts step by step; all that are gone then.
fn evict(
    mut step: impl FnMut() -> Result<RevokedToken, Failure>,
    output: Output,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    loop {
        let RevokedToken { evicted, left } = step()?;
        if !output.is_json() {
            output.lines(evicted.iter().map(|runner| format!("removed {runner}")));
        }
        // Without a host that has gone the next step would be the same.
        let is_over = left == 0 || evicted.is_empty();
        all.extend(evicted);
        if is_over {
            return Ok(all);
        }
        output.note(&format!("{} hosts removed, {left} to go", all.len()));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Style;

    #[test]
    fn hosts_are_removed_until_none_is_left_or_none_goes() {
        let steps = |steps: &[(&[&str], u64)]| {
            let mut replies = steps.iter().map(|(evicted, left)| RevokedToken {
                evicted: evicted.iter().map(ToString::to_string).collect(),
                left: *left,
            });
            let all = evict(
                || Ok(replies.next().expect("no step too many")),
                Output { style: Style::Json },
            );
            assert_eq!(replies.next().map(|it| it.left), None, "a step too few");
            all.expect("removed")
        };
        assert_eq!(steps(&[(&["a", "b"], 1), (&["c"], 0)]), ["a", "b", "c"]);
        assert_eq!(steps(&[(&["a"], 1), (&[], 1)]), ["a"]);
        assert!(steps(&[(&[], 0)]).is_empty());
    }
}
