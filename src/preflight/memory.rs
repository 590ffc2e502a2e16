use super::{Context, Outcome};
use crate::model::Code;

/// ECE's least, with room for what firmware and kernel keep of nominal 8 GB.
const LEAST_MB: u64 = 7_600;

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let memory_mb = context.machine.memory().ok()?.bytes >> 20;
    let found = format!("this host may use {memory_mb} MB of memory");
    let enough = memory_mb >= LEAST_MB;
    Some(Outcome::judge_production(context, Code::PreflightMemory, enough, found, "8 GB"))
}
