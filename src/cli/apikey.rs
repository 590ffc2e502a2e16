//! `ece-agent apikey …`: one's own API keys.

use serde_json::{Value, json};

use super::{
    access::AccessArguments, beginnings::the_one, duration::seconds, handed_out::OutputArgument,
    output::Output,
};
use crate::{
    client::HttpVerb,
    model::{Code, Exit, Failure, Secret},
};

const KEYS: &str = "/api/v1/users/auth/keys";

#[derive(clap::Subcommand)]
pub enum ApiKeyVerb {
    /// Make an API key: it is shown once
    #[command(after_help = "Examples:
  ece-agent apikey create --description ci --expiration 30d -o ci.key
  ece-agent apikey create --description ci > ci.key      the key alone")]
    Create(CreateArguments),
    /// List one's own API keys
    #[command(after_help = "Example:
  ece-agent apikey list")]
    List(ListArguments),
    /// Delete an API key: from the reply on it lets nobody in
    #[command(after_help = "Example:
  ece-agent apikey delete 2c1a")]
    Delete(DeleteArguments),
}

#[derive(clap::Args)]
pub struct CreateArguments {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// How long it is good for, in seconds or as 12h, 30d [default: until it is deleted]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    expiration: Option<i64>,
    #[command(flatten)]
    output: OutputArgument,
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
pub struct DeleteArguments {
    /// The key's id, or how it begins
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    access: AccessArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn apikey(verb: ApiKeyVerb, output: Output) -> Result<Exit, Failure> {
    match verb {
        ApiKeyVerb::Create(arguments) => create(arguments, output),
        ApiKeyVerb::List(arguments) => list(arguments, output),
        ApiKeyVerb::Delete(arguments) => delete(arguments, output),
    }?;
    Ok(Exit::Success)
}

fn create(arguments: CreateArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let file = arguments.output.file()?;
    let mut wanted = json!({ "description": arguments.description });
    if let Some(seconds) = arguments.expiration {
        wanted["expiration"] = format!("{seconds}s").into();
    }
    let mut made = access.call(HttpVerb::Post, KEYS, Some(&wanted))?;
    let key = made["key"]
        .as_str()
        .map(Secret::new)
        .ok_or_else(|| Failure::new(Code::CoordinatorProtocol, "the coordinator made no key"))?;
    if let Some(file) = &file {
        file.write(&key)?;
        made["key"] = Value::Null;
        made["file"] = json!(file.path());
    }
    if output.is_json() {
        output.json(&made);
        return Ok(());
    }
    if file.is_none() {
        output.verbatim(key.expose());
    }
    if output.is_read_by_a_person() {
        let expiry = made["expiration_date"].as_str().unwrap_or("never");
        let id = made["id"].as_str().unwrap_or_default();
        output.lines(["", &format!("key id   {id}"), &format!("expires  {expiry}")]);
        if let Some(file) = &file {
            output.line(&format!("in       {}", file.path().display()));
        }
    }
    Ok(())
}

fn keys(reply: &Value) -> impl Iterator<Item = &Value> {
    reply["keys"].as_array().into_iter().flatten()
}

fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Get, KEYS, None)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let rows = keys(&reply).map(|key| {
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let expiry = key["expiration_date"].as_str().unwrap_or("never").to_owned();
        [text("id"), text("creation_date"), expiry, text("description")]
    });
    output.table(["KEY ID", "MADE", "EXPIRES", "DESCRIPTION"], rows);
    Ok(())
}

fn delete(arguments: DeleteArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Get, KEYS, None)?;
    let id = the_one(
        &arguments.id,
        ("API key", "ece-agent apikey list"),
        keys(&reply).filter_map(|key| key["id"].as_str()),
    )?;
    access.call(HttpVerb::Delete, &format!("{KEYS}/{id}"), None)?;
    match output.is_json() {
        true => output.json(&json!({ "id": id, "deleted": true })),
        false => output.line(&format!("deleted {id}")),
    }
    Ok(())
}
