use super::{Context, Outcome, Severity};
use crate::model::Code;

/// Whether the host IP is the address that others see packets come from.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let local = context.machine.address_towards(context.reach?.address?).ok()?;
    let given = context.settings.host_ip;
    let found = match given {
        Some(given) => format!("--host-ip is {given}, and packets leave from {local}"),
        None => format!("packets to the coordinator leave from {local}"),
    };
    let same = given.is_none_or(|given| given == local);
    Some(Outcome::judge(Code::PreflightRoute, same, Severity::Warning, found, "the same address"))
}
