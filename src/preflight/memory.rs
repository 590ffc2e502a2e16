use super::{Context, Finding, Severity};
use crate::model::{Code, Failure};

/// ECE's least, with room for what firmware and kernel keep of nominal 8 GB.
const LEAST_MB: u64 = 7_600;

pub(super) fn check(context: &Context<'_>) -> Option<Finding> {
    let memory_mb = context.machine.memory().ok()?.bytes >> 20;
    if memory_mb >= LEAST_MB {
        return None;
    }
    let message = format!("this host may use {memory_mb} MB of memory, and a member needs 8 GB");
    let severity = if context.relaxed { Severity::Warning } else { Severity::Error };
    Some(Finding { severity, failure: Failure::new(Code::PreflightMemory, message) })
}
