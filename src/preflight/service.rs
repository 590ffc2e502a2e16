use super::{Context, Outcome, Severity};
use crate::model::Code;

/// Whether the daemon becomes a service. Where nobody relies on that it does not matter.
pub(super) fn check_user(context: &Context<'_>) -> Option<Outcome> {
    let is_root = context.as_service || context.machine.is_root();
    let found = if is_root { "root" } else { "a user without privileges" };
    let severity = bad(context);
    Some(Outcome::judge(Code::PreflightUser, is_root, severity, found, "root, for a service"))
}

pub(super) fn check_systemd(context: &Context<'_>) -> Option<Outcome> {
    let there = context.machine.has_systemd();
    let found = if there { "systemd is running" } else { "systemd is not running" };
    let severity = bad(context);
    Some(Outcome::judge(Code::PreflightSystemd, there, severity, found, "systemd, for a service"))
}

fn bad(context: &Context<'_>) -> Severity {
    if context.relaxed { Severity::Ok } else { Severity::Warning }
}
