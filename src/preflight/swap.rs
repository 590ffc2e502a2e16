use super::{Context, Outcome, Severity};
use crate::model::{Code, Role};

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    if !context.roles.contains(Role::Allocator) {
        return None;
    }
    let swap = context.machine.swap_bytes();
    let found = format!("{} MB of swap", swap >> 20);
    Some(Outcome::judge(Code::PreflightSwap, swap == 0, Severity::Warning, found, "none"))
}
