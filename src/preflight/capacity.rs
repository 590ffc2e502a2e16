use super::{Context, Outcome, Severity};
use crate::model::Code;

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let capacity_mb = context.settings.capacity_mb?;
    let memory_mb = context.machine.memory().ok()?.bytes >> 20;
    let found = format!("--capacity is {capacity_mb} MB");
    let needed = format!("at most the {memory_mb} MB that this host may use");
    let fits = capacity_mb <= memory_mb;
    Some(Outcome::judge(Code::PreflightCapacity, fits, Severity::Error, found, needed))
}
