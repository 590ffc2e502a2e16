use std::path::PathBuf;

use super::{Described, OneArguments, new_password, path_of};
use crate::{
    cli::output::Output,
    client::HttpVerb,
    model::{Code, Failure},
    wire::{
        hosts::SecretText,
        users::{UserChange, UserSecurityChange},
    },
};

#[derive(clap::Args)]
pub struct UpdateArguments {
    #[command(flatten)]
    one: OneArguments,
    #[command(flatten)]
    described: Described,
    /// A file that holds the user's new password, which ends their sessions and keys; '-' asks
    /// for it
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

pub fn update(arguments: UpdateArguments, output: Output) -> Result<(), Failure> {
    let UpdateArguments { one, described, new_password_file } = arguments;
    let mut security = UserSecurityChange { roles: described.roles(), ..Default::default() };
    let Described { full_name, email, roles } = described;
    if [&full_name, &email, &roles].iter().all(|it| it.is_none()) && new_password_file.is_none() {
        return Err(Failure::new(Code::ConfigInvalid, "nothing is to be changed")
            .with_fix("Add --roles, --full-name, --email or --new-password-file."));
    }
    let access = one.access.open()?;
    if let Some(file) = &new_password_file {
        let password = new_password::read(&one.name, Some(file))?;
        security.password = Some(SecretText(password));
    }
    let security = Some(security);
    let change = UserChange { full_name, email, security, ..Default::default() };
    let reply = access.send(HttpVerb::Patch, &path_of(&one.name), &change)?;
    output.done(&reply, &format!("changed {}", one.name));
    if new_password_file.is_some()
        && IN_SECRETS_FILE.contains(&one.name.as_str())
        && !output.is_json()
    {
        output.note(&not_kept(&one.name));
    }
    Ok(())
}

/// Users whose passwords the first host keeps for root.
const IN_SECRETS_FILE: [&str; 2] = ["admin", "readonly"];

fn not_kept(user: &str) -> String {
    format!(
        "the secrets file of the first host does not hold this password: verbs there need --user \
         {user} and --password-file, or 'ece-agent reset-password --user {user}', which makes and \
         keeps another"
    )
}

pub fn enable(arguments: OneArguments, enabled: bool, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let security = UserSecurityChange { enabled: Some(enabled), ..Default::default() };
    let change = UserChange { security: Some(security), ..Default::default() };
    let reply = access.send(HttpVerb::Patch, &path_of(&arguments.name), &change)?;
    let what = if enabled { "enabled" } else { "disabled" };
    output.done(&reply, &format!("{what} {}", arguments.name));
    Ok(())
}
