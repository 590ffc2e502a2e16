//! `ece-agent apikey …`: one's own API keys.

use serde_json::{Value, json};

use super::{
    access::AccessArguments, beginnings::the_one, duration::seconds, handed_out::OutputArgument,
    output::Output,
};
use crate::{
    client::HttpVerb,
    model::{Code, Exit, Failure, Secret},
    wire::users::{ApiKeyResponse, ApiKeysResponse, CreateApiKeyRequest},
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
}

#[derive(clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    access: AccessArguments,
}

#[derive(clap::Args)]
pub struct DeleteArguments {
    /// The key's id, or how it begins
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    access: AccessArguments,
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
    let expiration = arguments.expiration.map(|seconds| format!("{seconds}s"));
    let wanted = CreateApiKeyRequest { description: arguments.description, expiration };
    let reply = access.send(HttpVerb::Post, KEYS, &wanted)?;
    let made: ApiKeyResponse = reply.read()?;
    let key = made
        .key
        .map(Secret::new)
        .ok_or_else(|| Failure::new(Code::CoordinatorProtocol, "the coordinator made no key"))?;
    if let Some(file) = &file {
        file.write(&key)?;
    }
    if output.is_json() {
        output.json(&match &file {
            Some(file) => reply.with("key", Value::Null).with("file", json!(file.path())),
            None => reply,
        });
        return Ok(());
    }
    if file.is_none() {
        output.verbatim(key.expose());
    }
    if output.is_read_by_a_person() {
        let expiry = made.expiration_date.as_deref().unwrap_or("never");
        output.lines(["", &format!("key id   {}", made.id), &format!("expires  {expiry}")]);
        if let Some(file) = &file {
            output.line(&format!("in       {}", file.path().display()));
        }
    }
    Ok(())
}

fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(HttpVerb::Get, KEYS)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let ApiKeysResponse { keys } = reply.read()?;
    let rows = keys.into_iter().map(|key| {
        let expiry = key.expiration_date.unwrap_or_else(|| "never".to_owned());
        [key.id, key.creation_date, expiry, key.description]
    });
    output.table(["KEY ID", "MADE", "EXPIRES", "DESCRIPTION"], rows);
    Ok(())
}

fn delete(arguments: DeleteArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let ApiKeysResponse { keys } = access.call(HttpVerb::Get, KEYS)?.read()?;
    let id = the_one(
        &arguments.id,
        ("API key", "ece-agent apikey list"),
        keys.iter().map(|key| &*key.id),
    )?;
    access.call(HttpVerb::Delete, &format!("{KEYS}/{id}"))?;
    match output.is_json() {
        true => output.json(&json!({ "id": id, "deleted": true })),
        false => output.line(&format!("deleted {id}")),
    }
    Ok(())
}
