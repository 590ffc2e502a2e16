//! `ece-agent user …`: the users of the API.

mod change;
mod create;
mod new_password;

use serde_json::Value;

use super::{
    access::AccessArguments,
    host::{part_of_a_path, percent_encoded},
    output::Output,
};
use crate::{
    client::HttpVerb,
    model::{Exit, Failure, printable::cut},
};

const USERS: &str = "/api/v1/users";

/// Characters of a value in words; '--json' has all of it.
const LONGEST_VALUE: usize = 256;

#[derive(clap::Subcommand)]
pub enum UserVerb {
    /// List the users, those who are disabled too
    #[command(after_help = "Example:
  ece-agent user list")]
    List(ListArguments),
    /// Make a user
    #[command(after_help = "Examples:
  ece-agent user create bob --roles ece_platform_viewer     asks for the password
  ece-agent user create ci --roles ece_platform_admin --new-password-file ci.password")]
    Create(create::CreateArguments),
    /// Show a user
    #[command(after_help = "Example:
  ece-agent user show bob")]
    Show(OneArguments),
    /// Change a user's roles, password, full name or mail address
    #[command(after_help = "Examples:
  ece-agent user update bob --roles ece_platform_viewer,ece_deployment_manager
  ece-agent user update bob --new-password-file -           asks for the password")]
    Update(change::UpdateArguments),
    /// Delete a user: from the reply on nothing that they had lets anybody in
    #[command(after_help = "Example:
  ece-agent user delete bob")]
    Delete(OneArguments),
    /// Let a user in again
    #[command(after_help = "Example:
  ece-agent user enable bob")]
    Enable(OneArguments),
    /// Let a user in no more, until 'user enable'
    #[command(after_help = "Example:
  ece-agent user disable bob")]
    Disable(OneArguments),
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
pub struct OneArguments {
    /// The user's name
    #[arg(value_name = "NAME", value_parser = part_of_a_path)]
    name: String,
    #[command(flatten)]
    access: AccessArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is said of a user beside their name.
#[derive(clap::Args)]
struct Described {
    /// What the user may do, separated by commas: ece_platform_admin, ece_platform_viewer,
    /// ece_deployment_manager, ece_deployment_viewer; '' for nothing
    #[arg(long, value_name = "ROLES")]
    roles: Option<String>,
    /// The user's full name
    #[arg(long, value_name = "TEXT")]
    full_name: Option<String>,
    /// The user's mail address
    #[arg(long, value_name = "TEXT")]
    email: Option<String>,
}

impl Described {
    fn roles(&self) -> Option<Vec<&str>> {
        let roles = self.roles.as_deref()?;
        Some(roles.split(',').map(str::trim).filter(|role| !role.is_empty()).collect())
    }
}

pub fn user(verb: UserVerb, output: Output) -> Result<Exit, Failure> {
    match verb {
        UserVerb::List(arguments) => list(arguments, output),
        UserVerb::Create(arguments) => create::create(arguments, output),
        UserVerb::Show(arguments) => show(arguments, output),
        UserVerb::Update(arguments) => change::update(arguments, output),
        UserVerb::Delete(arguments) => delete(arguments, output),
        UserVerb::Enable(arguments) => change::enable(arguments, true, output),
        UserVerb::Disable(arguments) => change::enable(arguments, false, output),
    }?;
    Ok(Exit::Success)
}

fn path_of(name: &str) -> String {
    format!("{USERS}/{}", percent_encoded(name))
}

fn text(value: &Value) -> String {
    match value.as_str() {
        Some("") | None => "-".into(),
        Some(text) => cut(text, LONGEST_VALUE),
    }
}

fn roles_of(user: &Value) -> String {
    let roles = user["security"]["roles"].as_array().into_iter().flatten();
    let names: Vec<String> = roles.map(text).collect();
    if names.is_empty() { "none".into() } else { names.join(",") }
}

fn state_of(user: &Value) -> &'static str {
    if user["security"]["enabled"] == false { "disabled" } else { "enabled" }
}

fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Get, &format!("{USERS}?include_disabled=true"), None)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let rows = reply["users"].as_array().into_iter().flatten().map(|user| {
        [
            text(&user["user_name"]),
            state_of(user).to_owned(),
            roles_of(user),
            text(&user["full_name"]),
        ]
    });
    output.table(["NAME", "STATE", "ROLES", "FULL NAME"], rows);
    Ok(())
}

fn show(arguments: OneArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let user = access.call(HttpVerb::Get, &path_of(&arguments.name), None)?;
    if output.is_json() {
        output.json(&user);
        return Ok(());
    }
    let hand = |what: &str| {
        let (by, at) =
            (&user["metadata"][format!("{what}_by")], &user["metadata"][format!("{what}_at")]);
        at.is_string().then(|| format!("{} by {}", text(at), text(by)))
    };
    let mut lines = vec![
        format!("name       {}", text(&user["user_name"])),
        format!("state      {}", state_of(&user)),
        format!("roles      {}", roles_of(&user)),
        format!("full name  {}", text(&user["full_name"])),
        format!("email      {}", text(&user["email"])),
    ];
    lines.extend(hand("created").map(|made| format!("made       {made}")));
    lines.extend(hand("updated").map(|changed| format!("changed    {changed}")));
    if user["builtin"] == true {
        lines.push("came with the cluster: only its password can be changed".into());
    }
    output.lines(lines);
    Ok(())
}

fn delete(arguments: OneArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Delete, &path_of(&arguments.name), None)?;
    output.done(&reply, &format!("deleted {}", arguments.name));
    Ok(())
}
