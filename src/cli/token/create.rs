use serde_json::json;

use crate::{
    cli::{
        access::AccessArguments,
        duration::seconds,
        handed_out::{OutputArgument, SecretFile},
        output::Output,
        shell_word,
    },
    model::{Code, CoordinatorAddress, Failure, RoleSet, Secret},
    rt::Timestamp,
    server::API_PORT,
    token::{Claims, UnverifiedToken},
    wire::{
        join_commands::{join_command, join_with_curl, on_standard_input},
        tokens::EnrollmentTokenRequest,
    },
};

#[derive(clap::Args)]
pub struct CreateArguments {
    /// Roles that the token allows, separated by commas; without it hosts join with no roles, and
    /// get them later
    #[arg(long, value_name = "ROLES", value_parser = RoleSet::some)]
    roles: Option<RoleSet>,
    /// Make a token that does not expire
    #[arg(long)]
    persistent: bool,
    /// How long the token is good for, in seconds or as 10m, 1h, 7d [default: 1h]
    #[arg(
        long,
        value_name = "DURATION",
        conflicts_with = "persistent",
        value_parser = seconds,
        allow_negative_numbers = true
    )]
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
    output: OutputArgument,
    #[command(flatten)]
    access: AccessArguments,
}

/// What joins a host with a new token.
struct Commands {
    plain: String,
    /// `None` if the coordinator serves no program.
    with_curl: Option<String>,
}

pub fn create(arguments: CreateArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let file = arguments.output.file()?;
    let roles = arguments.roles.unwrap_or_default();
    let request = EnrollmentTokenRequest {
        persistent: arguments.persistent,
        roles: Some(roles.iter().map(|role| role.name().to_owned()).collect()),
        validity_in_seconds: arguments.validity,
        max_uses: arguments.max_uses,
        description: arguments.description,
        allow_replace: arguments.allow_replace,
    };
    let (token, served) = access.told(async {
        let reply = access.client.create_token(&request).await?;
        // A coordinator that serves no program is older, and no reason to lose the token.
        Ok((Secret::new(reply.token), access.client.downloads().await.ok()))
    })?;
    let claims = UnverifiedToken::parse(token.expose())?.claims().clone();
    if let Some(file) = &file {
        file.write(&token)?;
    }
    let at = &access.coordinator;
    let commands = Commands {
        plain: plain_command(at, &token, &roles, file.as_ref()),
        with_curl: served.map(|served| {
            let url = at.with_port(API_PORT).base_url();
            let token = token_file(&token, file.as_ref());
            join_with_curl(&url, &served.public_key_pin, &roles, &token)
        }),
    };
    show(output, &token, &claims, &commands, file.as_ref());
    if let Some(warning) = not_for_others(&roles).filter(|_| !output.is_json()) {
        output.warning(&warning.with_fix(format!(
            "Make one with the roles allocator and proxy instead; 'ece-agent token revoke {}' takes this one back.",
            claims.id
        )));
    }
    if roles.is_empty() {
        output.note("hosts join with no roles by this token, as --roles was not given");
    }
    Ok(())
}

/// What is wrong with a token for roles that a host which joins cannot have.
fn not_for_others(roles: &RoleSet) -> Option<Failure> {
    let refused = roles.that_keep_the_cluster();
    (!refused.is_empty()).then(|| {
        let message = format!(
            "in this version only the first host can have {}: a host that joins and asks for that, as the command shown does, is refused",
            refused.in_words()
        );
        Failure::new(Code::JoinRoleNotAvailable, message)
    })
}

fn show(
    output: Output,
    token: &Secret,
    claims: &Claims,
    commands: &Commands,
    file: Option<&SecretFile>,
) {
    let expiry = claims.expires_at.map(Timestamp::rfc3339);
    if output.is_json() {
        return output.json(&json!({
            "token": file.is_none().then(|| token.expose()),
            "file": file.map(SecretFile::path),
            "token_id": claims.id,
            "roles": claims.roles,
            "expires_at": expiry,
            "join_command": commands.plain,
            "join_command_with_curl": commands.with_curl,
        }));
    }
    if file.is_none() {
        output.verbatim(token.expose());
    }
    if !output.is_read_by_a_person() {
        return;
    }
    let expiry = match expiry {
        Some(expiry) if !claims.is_persistent() => expiry,
        _ => "never; good until it is revoked".into(),
    };
    output.lines(["", &format!("token id  {}", claims.id), &format!("expires   {expiry}")]);
    if let Some(file) = file {
        output.line(&format!("in        {}", file.path().display()));
        output.lines(["", "Copy the file to the same place on a new host, and run there:"]);
        return output.verbatim(&commands.plain);
    }
    if let Some(with_curl) = &commands.with_curl {
        output.lines(["", "On a new host that has curl and nothing else:"]);
        with_curl.lines().for_each(|line| output.verbatim(line));
    }
    output.lines(["", "On a new host that has ece-agent:"]);
    output.verbatim(&commands.plain);
}

fn name_of(file: &SecretFile) -> String {
    shell_word(&file.path().to_string_lossy())
}

/// The value of `--roles-token-file`.
fn token_file(token: &Secret, file: Option<&SecretFile>) -> String {
    file.map_or_else(|| on_standard_input(token), name_of)
}

fn plain_command(
    coordinator: &CoordinatorAddress,
    token: &Secret,
    roles: &RoleSet,
    file: Option<&SecretFile>,
) -> String {
    let token = match file {
        Some(file) => format!("--roles-token-file {}", name_of(file)),
        None => format!("--roles-token '{}'", token.expose()),
    };
    join_command(coordinator, roles, &token)
}
