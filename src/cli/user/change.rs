use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Described, OneArguments, new_password, path_of};
use crate::{
    cli::output::Output,
    client::HttpVerb,
    model::{Code, Failure},
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
    let (mut change, mut security) = (Map::new(), Map::new());
    let texts = [("full_name", &described.full_name), ("email", &described.email)];
    for (name, text) in texts {
        change.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
    }
    security.extend(described.roles().map(|roles| ("roles".to_owned(), json!(roles))));
    if change.is_empty() && security.is_empty() && new_password_file.is_none() {
        return Err(Failure::new(Code::ConfigInvalid, "nothing is to be changed")
            .with_fix("Add --roles, --full-name, --email or --new-password-file."));
    }
    let access = one.access.open()?;
    if let Some(file) = &new_password_file {
        let password = new_password::read(&one.name, Some(file))?;
        security.insert("password".into(), json!(password.expose()));
    }
    change.insert("security".into(), Value::Object(security));
    let change = Value::Object(change);
    let user = access.call(HttpVerb::Patch, &path_of(&one.name), Some(&change))?;
    output.done(&user, &format!("changed {}", one.name));
    Ok(())
}

pub fn enable(arguments: OneArguments, enabled: bool, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let change = json!({ "security": { "enabled": enabled } });
    let user = access.call(HttpVerb::Patch, &path_of(&arguments.name), Some(&change))?;
    let what = if enabled { "enabled" } else { "disabled" };
    output.done(&user, &format!("{what} {}", arguments.name));
    Ok(())
}
