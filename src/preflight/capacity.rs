use super::{Context, Finding};
use crate::model::{Code, Failure};

pub(super) fn check(context: &Context<'_>) -> Option<Finding> {
    let capacity_mb = context.settings.capacity_mb?;
    let memory_mb = context.machine.memory().ok()?.bytes >> 20;
    if capacity_mb <= memory_mb {
        return None;
    }
    let message = format!("--capacity is {capacity_mb} MB, and this host may use {memory_mb} MB");
    Some(Finding::error(Failure::new(Code::PreflightCapacity, message)))
}
