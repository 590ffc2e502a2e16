use super::{Context, Outcome, Severity};
use crate::model::{Code, Role};

const OLDEST: (u32, u32) = (4, 19);
const LEAST_MAX_MAP_COUNT: u64 = 262_144;

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let release = context.machine.kernel_release();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let known = version >= OLDEST;
    let found = format!("Linux {release}");
    Some(Outcome::judge_production(context, Code::PreflightKernel, known, found, "4.19"))
}

/// Instances need it, a host without them does not: it can be set at any time.
pub(super) fn check_max_map_count(context: &Context<'_>) -> Option<Outcome> {
    const NAME: &str = "vm.max_map_count";
    if !context.roles.contains(Role::Allocator) {
        return None;
    }
    let text = context.machine.kernel_parameter(NAME)?;
    let enough = text.parse::<u64>().ok()? >= LEAST_MAX_MAP_COUNT;
    let (found, needed) = (format!("{NAME} is {text}"), "262144 for instances");
    Some(Outcome::judge(Code::PreflightMaxMapCount, enough, Severity::Warning, found, needed))
}
