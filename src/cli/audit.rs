//! `ece-agent audit …`: what was changed, by whom.

use serde_json::Value;

use super::{
    access::{AccessArguments, api_failure},
    host::percent_encoded,
    output::Output,
    run_to_end,
    table::table,
};
use crate::{
    client::HttpVerb,
    model::{Exit, Failure},
};

const AUDIT: &str = "/api/v1/platform/configuration/audit";

#[derive(clap::Subcommand)]
pub enum AuditVerb {
    /// List changes, the latest first
    #[command(after_help = "Example:
  ece-agent audit list --action host.join --size 20")]
    List(AuditArguments),
    /// Print changes as JSON lines, the latest first
    #[command(after_help = "Example:
  ece-agent audit export --since 2026-11-01T00:00:00Z > audit.jsonl")]
    Export(AuditArguments),
}

#[derive(clap::Args)]
pub struct AuditArguments {
    /// Only this action, for example host.join
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done to this
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only from then on, in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    size: u32,
    #[command(flatten)]
    access: AccessArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn audit(verb: AuditVerb, output: Output) -> Result<Exit, Failure> {
    let (arguments, as_lines) = match verb {
        AuditVerb::List(arguments) => (arguments, false),
        AuditVerb::Export(arguments) => (arguments, true),
    };
    let access = arguments.access.open()?;
    let mut path = format!("{AUDIT}?size={}", arguments.size);
    for (name, value) in
        [("action", arguments.action), ("subject", arguments.subject), ("since", arguments.since)]
    {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", percent_encoded(&value)));
        }
    }
    let reply: Value =
        run_to_end(access.client.call(HttpVerb::Get, &path, None)).map_err(api_failure)?;
    let records = reply["records"].as_array().cloned().unwrap_or_default();
    if as_lines {
        records.iter().for_each(|record| output.json(record));
    } else if output.is_json() {
        output.json(&reply);
    } else {
        let rows = records.iter().map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let actor = format!("{} {}", text("actor_kind"), text("actor"));
            [
                text("at"),
                actor.trim_end().to_owned(),
                text("source_address"),
                text("action"),
                text("subject"),
            ]
        });
        output.line(&table(["AT", "WHO", "FROM", "ACTION", "SUBJECT"], rows));
    }
    Ok(Exit::Success)
}
