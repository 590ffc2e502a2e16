use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    access::{AccessArguments, api_failure},
    host::LONGEST_VALUE,
    output::Output,
    run_to_end,
    table::table,
};
use crate::{
    client::HttpVerb,
    config::read_token,
    coordinator::API_PORT,
    model::{
        Code, CoordinatorAddress, Exit, Failure, HOSTS_PORT, RoleSet, Secret, TokenId,
        printable::cut,
    },
    rt::{Clock, Timestamp},
    token::{Claims, UnverifiedToken},
    wire::{audit::TokenLedger, downloads::JOIN_SCRIPT_PATH, tokens::EnrollmentTokenRequest},
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
  ece-agent token create --roles allocator --validity 600")]
    Create(CreateArguments),
    /// List the persistent roles tokens
    #[command(after_help = "Example:
  ece-agent token list --json")]
    List(ListArguments),
    /// Show all roles tokens: who made them, what they allow, which hosts came with them
    #[command(after_help = "Example:
  ece-agent token ledger")]
    Ledger(ListArguments),
    /// Revoke a roles token: from the reply on it lets nobody in
    #[command(after_help = "Example:
  ece-agent token revoke 4c8990df-1fb7-4820-b868-6bc9e8860814")]
    Revoke(RevokeArguments),
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
pub struct CreateArguments {
    /// Roles that the token allows, separated by commas; none without it
    #[arg(long, default_value = "", value_name = "ROLES")]
    roles: RoleSet,
    /// Make a token that does not expire
    #[arg(long)]
    persistent: bool,
    /// How many seconds the token is good for [default: 3600]
    #[arg(long, value_name = "SECONDS", conflicts_with = "persistent")]
    validity: Option<i64>,
    /// How many hosts it lets in at most
    #[arg(long, value_name = "NUMBER")]
    max_uses: Option<i64>,
    /// A host that came with it may be replaced with it once it is gone
    #[arg(long)]
    allow_replace: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    access: AccessArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    access: AccessArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct RevokeArguments {
    /// The token, or its id
    #[command(flatten)]
    token: TokenArgument,
    /// Also remove the hosts that came with it; their sessions end at once
    #[arg(long)]
    evict: bool,
    #[command(flatten)]
    access: AccessArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn token(verb: TokenVerb, output: Output) -> Result<Exit, Failure> {
    match verb {
        TokenVerb::Inspect(arguments) => inspect(arguments, output),
        TokenVerb::Create(arguments) => create(arguments, output),
        TokenVerb::List(arguments) => list(arguments, output),
        TokenVerb::Ledger(arguments) => ledger(arguments, output),
        TokenVerb::Revoke(arguments) => revoke(arguments, output),
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

fn inspect(arguments: InspectArguments, output: Output) -> Result<(), Failure> {
    let text = arguments.token.read()?;
    let token = UnverifiedToken::parse(text.expose())?;
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
            listed(claims.roles.clone(), "none: the host gets roles later")
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

fn create(arguments: CreateArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let request = EnrollmentTokenRequest {
        persistent: arguments.persistent,
        roles: Some(arguments.roles.iter().map(|role| role.name().to_owned()).collect()),
        validity_in_seconds: arguments.validity,
        max_uses: arguments.max_uses,
        description: arguments.description,
        allow_replace: arguments.allow_replace,
    };
    let (reply, served) = run_to_end(async {
        let reply = access.client.create_token(&request).await.map_err(api_failure)?;
        // A coordinator that serves no program is older, and no reason to lose the token.
        Ok::<_, Failure>((reply, access.client.downloads().await.ok()))
    })?;
    let command = join_command(&access.coordinator, &reply.token, &arguments.roles);
    let with_curl = served.map(|served| {
        join_with_curl(&access.coordinator, &served.public_key_pin, &reply.token, &arguments.roles)
    });
    let claims = UnverifiedToken::parse(&reply.token)?.claims().clone();
    if output.is_json() {
        output.json(&json!({
            "token": reply.token,
            "token_id": claims.id,
            "roles": claims.roles,
            "expires_at": claims.expires_at.map(Timestamp::rfc3339),
            "join_command": command,
            "join_command_with_curl": with_curl,
        }));
    } else {
        output.line(&reply.token);
        if let Some(with_curl) = with_curl {
            output.lines(["", "On a new host that has curl and nothing else:"]);
            output.lines(with_curl.lines());
        }
        output.lines(["", "On a new host that has ece-agent:", &command]);
    }
    Ok(())
}

/// The flag for these roles, with a blank before it.
fn roles_flag(roles: &RoleSet) -> String {
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" --roles \"{}\"", names.join(",")),
    }
}

/// Fetches the installer from the coordinator whose key is `pin`, and runs it only if it is that
/// one. The token goes through standard input.
fn join_with_curl(
    coordinator: &CoordinatorAddress,
    pin: &str,
    token: &str,
    roles: &RoleSet,
) -> String {
    let url = coordinator.with_port(API_PORT).base_url();
    let roles = roles_flag(roles);
    format!(
        "script=$(curl -fsSk --pinnedpubkey '{pin}' {url}{JOIN_SCRIPT_PATH}) && sh -c \"$script\" join{roles} --roles-token-file - <<'TOKEN'\n{token}\nTOKEN"
    )
}

fn join_command(coordinator: &CoordinatorAddress, token: &str, roles: &RoleSet) -> String {
    let host = match coordinator.port() {
        HOSTS_PORT => coordinator.host().to_owned(),
        _ => coordinator.to_string(),
    };
    let roles = roles_flag(roles);
    format!("ece-agent install --coordinator-host {host} --roles-token '{token}'{roles}")
}

fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = run_to_end(access.client.list_tokens()).map_err(api_failure)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let rows = reply.tokens.into_iter().map(|token| {
        let roles = if token.roles.is_empty() { "none".into() } else { token.roles.join(", ") };
        [token.token_id, roles, token.description.unwrap_or_default()]
    });
    output.lines(table(["TOKEN ID", "ROLES", "DESCRIPTION"], rows));
    Ok(())
}

fn ledger(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let asked = access.client.call(HttpVerb::Get, LEDGER, None);
    let reply = run_to_end(asked).map_err(api_failure)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let ledger: TokenLedger = serde_json::from_value(reply)
        .map_err(|_| Failure::new(Code::CoordinatorProtocol, "the ledger cannot be read"))?;
    let rows = ledger.tokens.into_iter().map(|token| {
        let state = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => "persistent".to_owned(),
        };
        let roles = if token.roles.is_empty() { "none".into() } else { token.roles.join(",") };
        let hosts: Vec<&str> = token.uses.iter().map(|used| used.runner_id.as_str()).collect();
        [token.token_id, roles, state, token.created_by, hosts.join(" ")]
    });
    output.lines(table(["TOKEN ID", "ROLES", "VALIDITY", "MADE BY", "HOSTS"], rows));
    Ok(())
}

fn revoke(arguments: RevokeArguments, output: Output) -> Result<(), Failure> {
    let text = arguments.token.read()?;
    let id = match text.expose().trim().parse::<TokenId>() {
        Ok(id) => id,
        Err(_) => UnverifiedToken::parse(text.expose())?.claims().id,
    };
    let access = arguments.access.open()?;
    if arguments.evict {
        let path = format!("{LEDGER}/{id}?evict=true");
        let asked = access.client.call(HttpVerb::Delete, &path, None);
        let reply = run_to_end(asked).map_err(api_failure)?;
        let evicted: Vec<&str> = reply["evicted"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it.as_str())
            .collect();
        if output.is_json() {
            output.json(&json!({ "token_id": id, "revoked": true, "evicted": evicted }));
        } else {
            output.line(&format!("revoked {id}"));
            evicted.iter().for_each(|runner| output.line(&format!("removed {runner}")));
        }
        return Ok(());
    }
    run_to_end(access.client.revoke_token(id)).map_err(api_failure)?;
    if output.is_json() {
        output.json(&json!({ "token_id": id, "revoked": true }));
    } else {
        output.line(&format!("revoked {id}"));
    }
    Ok(())
}
