use std::path::PathBuf;

use serde_json::json;

use super::{Described, OneArguments, USERS, new_password, roles_of};
use crate::{cli::output::Output, client::HttpVerb, model::Failure};

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
    let user = json!({
        "user_name": one.name,
        "full_name": described.full_name,
        "email": described.email,
        "security": {
            "roles": described.roles(),
            "enabled": !disabled,
            "password": password.expose(),
        },
    });
    let made = access.call(HttpVerb::Post, USERS, Some(&user))?;
    output.done(&made, &format!("made {} with the roles {}", one.name, roles_of(&made)));
    Ok(())
}
