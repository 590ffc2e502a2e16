//! `ece-agent token …`: roles tokens, made, shown and revoked by way of the API.

mod create;
mod list;
mod revoke;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    access::{Access, AccessArguments},
    host::LONGEST_VALUE,
    output::Output,
    shell_word,
};
use crate::{
    client::HttpVerb,
    config::read_token,
    model::{Exit, Failure, Secret, printable::cut},
    rt::{Clock, Timestamp},
    token::{Claims, UnverifiedToken},
    wire::audit::TokenLedger,
};

const LEDGER: &str = "/api/v1/platform/configuration/security/token-ledger";

#[derive(clap::Subcommand)]
pub enum TokenVerb {
    /// Explain a roles token, without asking anybody
    #[command(after_help = "Example:
  ece-agent token inspect - < token.txt")]
    Inspect(InspectArguments),
    /// Make a roles token, and print the command that joins a host with it
    #[command(after_help = "Example:
  ece-agent token create --roles allocator --validity 10m
  ece-agent token create --roles allocator > token.txt      the token alone
  ece-agent token create --roles allocator -o token.txt")]
    Create(create::CreateArguments),
    /// List the roles tokens that are good
    #[command(after_help = "Example:
  ece-agent token list --json")]
    List(ListArguments),
    /// Show all roles tokens: who made them, what they allow, which hosts came with them
    #[command(after_help = "Example:
  ece-agent token ledger")]
    Ledger(ListArguments),
    /// Revoke a roles token, by its text, its id or how the id begins: from the reply on it lets
    /// nobody in
    #[command(after_help = "Example:
  ece-agent token revoke 4c8990df")]
    Revoke(revoke::RevokeArguments),
}

/// A token, or where to read it.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct TokenArgument {
    /// The token; '-' reads it from standard input
    #[arg(value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct InspectArguments {
    #[command(flatten)]
    token: TokenArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    access: AccessArguments,
}

pub fn token(verb: TokenVerb, output: Output) -> Result<Exit, Failure> {
    match verb {
        TokenVerb::Inspect(arguments) => inspect(arguments, output),
        TokenVerb::Create(arguments) => create::create(arguments, output),
        TokenVerb::List(arguments) => list::list(arguments, output),
        TokenVerb::Ledger(arguments) => list::ledger(arguments, output),
        TokenVerb::Revoke(arguments) => revoke::revoke(arguments, output),
    }?;
    Ok(Exit::Success)
}

impl TokenArgument {
    fn read(self) -> Result<Secret, Failure> {
        match (self.token, self.file) {
            (Some(text), _) if text != "-" => Ok(Secret::new(text)),
            (_, Some(file)) => Ok(read_token(&file)?),
            _ => Ok(read_token(Path::new("-"))?),
        }
    }
}

/// All tokens, good or not, the latest first.
fn all_tokens(access: &Access) -> Result<TokenLedger, Failure> {
    Ok(access.call(HttpVerb::Get, LEDGER)?.read()?)
}

fn inspect(arguments: InspectArguments, output: Output) -> Result<(), Failure> {
    let given = arguments.token.token.clone().filter(|text| Path::new(text).is_file());
    let text = arguments.token.read()?;
    let token = UnverifiedToken::parse(text.expose()).map_err(|error| {
        Failure::from(error).with_fix(match given {
            Some(file) => format!(
                "It is the name of a file, which is read by 'ece-agent token inspect --file {}'.",
                shell_word(&file)
            ),
            None => "Copy the whole token again, without line breaks: one line, as 'ece-agent token create' prints it; --file FILE and '-' (standard input) read it from elsewhere.".into(),
        })
    })?;
    let now = Clock::system().now();
    if output.is_json() {
        let claims = token.claims();
        output.json(&json!({
            "token_id": claims.id,
            "roles": claims.roles,
            "issuer": claims.issuer,
            "persistent": claims.is_persistent(),
            "expires_at": claims.expires_at.map(Timestamp::rfc3339),
            "expired": is_expired(claims, now),
            "pins": claims.pins,
            "coordinators": claims.coordinators,
            "max_uses": claims.max_uses,
        }));
    } else {
        output.lines(in_words(token.claims(), now));
    }
    Ok(())
}

fn is_expired(claims: &Claims, now: Timestamp) -> bool {
    claims.expires_at.is_some_and(|expiry| now >= expiry)
}

fn in_words(claims: &Claims, now: Timestamp) -> Vec<String> {
    let listed = |items: Vec<String>, none: &str| match items.is_empty() {
        true => none.to_owned(),
        false => cut(&items.join(", "), LONGEST_VALUE),
    };
    let validity = match claims.expires_at {
        _ if claims.is_persistent() => "persistent: good until it is revoked".to_owned(),
        Some(expiry) if is_expired(claims, now) => format!("expired at {expiry}"),
        Some(expiry) => format!("ephemeral: good until {expiry}"),
        None => "persistent: good until it is revoked".to_owned(),
    };
    let pins = claims.pins.iter().map(ToString::to_string).collect();
    let coordinators = claims.coordinators.iter().map(ToString::to_string).collect();
    vec![
        format!("token id      {}", claims.id),
        format!(
            "roles         {}",
            match claims.roles.is_empty() {
                true => "none: the host gets roles later".to_owned(),
                false => cut(&claims.roles.join(","), LONGEST_VALUE),
            }
        ),
        format!("validity      {validity}"),
        format!(
            "signed by     {} (not checked: only the coordinator can)",
            cut(&claims.issuer, LONGEST_VALUE)
        ),
        format!(
            "pins          {}",
            listed(pins, "none: a join needs --ca-fingerprint or --ca-cert")
        ),
        format!("coordinators  {}", listed(coordinators, "none: a join needs --coordinator-host")),
        format!(
            "uses          {}",
            claims.max_uses.map_or("any number".into(), |max| format!("at most {max}"))
        ),
    ]
}
