use super::{Context, Outcome, Severity};
use crate::model::Code;

const LEAST: u64 = 1_024_000;

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let limit = context.machine.open_files();
    let found = format!("a service may open {limit} files");
    let enough = limit >= LEAST;
    Some(Outcome::judge(Code::PreflightOpenFiles, enough, Severity::Warning, found, "1024000"))
}
