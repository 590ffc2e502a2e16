use std::net::IpAddr;

use super::{Context, Outcome, Severity};
use crate::model::Code;

/// Whether the host IP is the address that others see packets come from.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let given = context.settings.host_ip;
    // A host that is installed keeps its address, whatever is given.
    if context.installed.is_none()
        && let Some(given) = given
        && !context.machine.has_address(given)
    {
        return Some(of_another_machine(context, given));
    }
    let local = context.machine.address_towards(context.reach?.address?).ok()?;
    let found = match given {
        Some(given) => format!("--host-ip is {given}, and packets leave from {local}"),
        None => format!("packets to the coordinator leave from {local}"),
    };
    let same = given.is_none_or(|given| given == local);
    Some(Outcome::judge(Code::PreflightRoute, same, Severity::Warning, found, "the same address"))
}

fn of_another_machine(context: &Context<'_>, given: IpAddr) -> Outcome {
    let found = format!("--host-ip is {given}, which is no address of this machine");
    let code = Code::PreflightRoute;
    Outcome::judge_production(context, code, false, found, "an address of this machine").with_fix(
        "Give an address of this machine; 'ip address' shows them. If another machine translates \
         addresses, and this one is reached by that address, add --skip preflight.route.",
    )
}
