//! `ece-agent user …`: the users of the API.

mod change;
mod create;
mod new_password;

use super::{
    access::AccessArguments,
    host::{part_of_a_path, percent_encoded},
    output::Output,
};
use crate::{
    client::HttpVerb,
    model::{Exit, Failure, printable::cut},
    wire::users::{User, UserList, UserMetadata},
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
}

#[derive(clap::Args)]
pub struct OneArguments {
    /// The user's name
    #[arg(value_name = "NAME", value_parser = part_of_a_path)]
    name: String,
    #[command(flatten)]
    access: AccessArguments,
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
    fn roles(&self) -> Option<Vec<String>> {
        let roles = self.roles.as_deref()?.split(',').map(str::trim);
        Some(roles.filter(|role| !role.is_empty()).map(str::to_owned).collect())
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

fn text(value: &str) -> String {
    match value {
        "" => "-".into(),
        text => cut(text, LONGEST_VALUE),
    }
}

fn roles_of(user: &User) -> String {
    let names: Vec<String> = user.security.roles.iter().map(|role| text(role)).collect();
    if names.is_empty() { "none".into() } else { names.join(",") }
}

fn state_of(user: &User) -> &'static str {
    if user.security.enabled { "enabled" } else { "disabled" }
}

fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Get, &format!("{USERS}?include_disabled=true"))?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let UserList { users } = reply.read()?;
    let rows = users.iter().map(|user| {
        [text(&user.user_name), state_of(user).to_owned(), roles_of(user), text(&user.full_name)]
    });
    output.table(["NAME", "STATE", "ROLES", "FULL NAME"], rows);
    Ok(())
}

fn show(arguments: OneArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Get, &path_of(&arguments.name))?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let user: User = reply.read()?;
    let hand = |by: &Option<String>, at: &Option<String>| {
        let by = text(by.as_deref().unwrap_or_default());
        at.as_ref().map(|at| format!("{} by {by}", text(at)))
    };
    let mut lines = vec![
        format!("name       {}", text(&user.user_name)),
        format!("state      {}", state_of(&user)),
        format!("roles      {}", roles_of(&user)),
        format!("full name  {}", text(&user.full_name)),
        format!("email      {}", text(&user.email)),
    ];
    let UserMetadata { created_by, created_at, updated_by, updated_at } = &user.metadata;
    lines.extend(hand(created_by, created_at).map(|made| format!("made       {made}")));
    lines.extend(hand(updated_by, updated_at).map(|changed| format!("changed    {changed}")));
    if user.builtin {
        lines.push("came with the cluster: only its password can be changed".into());
    }
    output.lines(lines);
    Ok(())
}

fn delete(arguments: OneArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Delete, &path_of(&arguments.name))?;
    output.done(&reply, &format!("deleted {}", arguments.name));
    Ok(())
}
