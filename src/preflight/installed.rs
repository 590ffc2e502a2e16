use super::{Context, Outcome, Severity};
use crate::model::Code;

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let found = match &context.installed {
        Some(runner) => format!("the host {runner} is installed here"),
        None => "no host is installed here".to_owned(),
    };
    let free = context.installed.is_none();
    Some(Outcome::judge(Code::PreflightInstalled, free, Severity::Warning, found, ""))
}
