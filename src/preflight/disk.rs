use super::{Context, Outcome};
use crate::model::Code;

const LEAST_BYTES: u64 = 10_000_000_000;

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let path = &context.settings.storage_path;
    let free = context.machine.storage(&context.settings.storage().instances()).ok()?.free;
    let found = format!("{} MB are free for {}", free / 1_000_000, path.display());
    let enough = free >= LEAST_BYTES;
    Some(Outcome::judge_production(context, Code::PreflightDisk, enough, found, "10000 MB"))
}
