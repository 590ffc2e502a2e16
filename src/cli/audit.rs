//! `ece-agent audit …`: what was changed, by whom.

use super::{
    access::{Access, AccessArguments, api_failure},
    host::percent_encoded,
    output::Output,
    run_to_end,
};
use crate::{
    client::HttpVerb,
    model::{Exit, Failure},
    wire::audit::{AuditEntry, AuditPage},
};

const AUDIT: &str = "/api/v1/platform/configuration/audit";

#[derive(clap::Subcommand)]
pub enum AuditVerb {
    /// List changes, the latest first
    #[command(after_help = "Example:
  ece-agent audit list --action host.join --size 20")]
    List(AuditArguments),
    /// Print all changes as JSON lines, the latest first
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
    /// At most this many [default: 100 in a list, all in an export]
    #[arg(long, value_name = "NUMBER")]
    size: Option<usize>,
    #[command(flatten)]
    access: AccessArguments,
}

/// Changes that are asked for at a time.
const AT_A_TIME: usize = 1000;

pub fn audit(verb: AuditVerb, output: Output) -> Result<Exit, Failure> {
    let (arguments, is_export) = match verb {
        AuditVerb::List(arguments) => (arguments, false),
        AuditVerb::Export(arguments) => (arguments, true),
    };
    let access = arguments.access.open()?;
    let mut filter = String::new();
    for (name, value) in
        [("action", arguments.action), ("subject", arguments.subject), ("since", arguments.since)]
    {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", percent_encoded(&value)));
        }
    }
    let pages = Pages { access, filter, next: None };
    match (is_export, arguments.size) {
        (true, size) => pages.export(size.unwrap_or(usize::MAX), output)?,
        (false, size) => pages.list(size.unwrap_or(100), output)?,
    }
    Ok(Exit::Success)
}

/// The audit as the API gives it: a page at a time.
struct Pages {
    access: Access,
    filter: String,
    /// Where the next page begins, after the first.
    next: Option<String>,
}

impl Pages {
    fn read(&mut self, size: usize) -> Result<AuditPage, Failure> {
        let before = self.next.take().map(|next| format!("&before={next}")).unwrap_or_default();
        let path = format!("{AUDIT}?size={}{}{before}", size.min(AT_A_TIME), self.filter);
        let asked = self.access.client.call(HttpVerb::Get, &path);
        let page: AuditPage = run_to_end(asked).and_then(|it| it.read()).map_err(api_failure)?;
        self.next = page.next.clone();
        Ok(page)
    }

    /// Up to `size` changes, handed on as they come; whether there are more.
    fn each(&mut self, mut size: usize, mut take: impl FnMut(AuditEntry)) -> Result<bool, Failure> {
        while size > 0 {
            let records = self.read(size)?.records;
            size = size.saturating_sub(records.len());
            records.into_iter().for_each(&mut take);
            if self.next.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn export(mut self, size: usize, output: Output) -> Result<(), Failure> {
        let more = self.each(size, |record| output.json(&record))?;
        if more {
            output.note("there are older changes; leave --size out to export all");
        }
        Ok(())
    }

    fn list(mut self, size: usize, output: Output) -> Result<(), Failure> {
        let mut records = Vec::new();
        let more = self.each(size, |record| records.push(record))?;
        if output.is_json() {
            output.json(&AuditPage { records, next: self.next });
            return Ok(());
        }
        let rows = records.into_iter().map(|record| {
            let actor = record.actor.unwrap_or_default();
            let who = format!("{} {actor}", record.actor_kind).trim_end().to_owned();
            [record.at, who, record.source_address.to_string(), record.action, record.subject]
        });
        output.table(["AT", "WHO", "FROM", "ACTION", "SUBJECT"], rows);
        if more {
            output.note("there are older changes; give --size NUMBER to see more");
        }
        Ok(())
    }
}
