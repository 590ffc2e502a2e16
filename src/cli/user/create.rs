use std::path::PathBuf;

use super::{Described, OneArguments, USERS, new_password, roles_of};
use crate::{
    cli::output::Output,
    client::HttpVerb,
    model::Failure,
    wire::{
        hosts::SecretText,
        users::{UserChange, UserSecurityChange},
    },
};

#[derive(clap::Args)]
pub struct CreateArguments {
    #[command(flatten)]
    one: OneArguments,
    #[command(flatten)]
    described: Described,
    /// A file that holds the user's password; '-' is standard input [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// The user does not get in before 'user enable'
    #[arg(long)]
    disabled: bool,
}

pub fn create(arguments: CreateArguments, output: Output) -> Result<(), Failure> {
    let CreateArguments { one, described, new_password_file, disabled } = arguments;
    let access = one.access.open()?;
    let password = new_password::read(&one.name, new_password_file.as_deref())?;
    let security = UserSecurityChange {
        roles: described.roles(),
        enabled: Some(!disabled),
        password: Some(SecretText(password)),
    };
    let user = UserChange {
        user_name: Some(one.name.clone()),
        full_name: described.full_name,
        email: described.email,
        security: Some(security),
    };
    let reply = access.send(HttpVerb::Post, USERS, &user)?;
    match output.is_json() {
        true => output.json(&reply),
        false => {
            let roles = roles_of(&reply.read()?);
            output.line(&format!("made {} with the roles {roles}", one.name));
        }
    }
    Ok(())
}
