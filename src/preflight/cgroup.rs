use super::{Context, Outcome, Severity};
use crate::{
    host::CgroupVersion,
    model::{CapacitySource, Code},
};

pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let version = match context.machine.cgroup_version() {
        CgroupVersion::V1 => "version 1",
        CgroupVersion::V2 => "version 2",
        CgroupVersion::Missing => "none",
    };
    let memory = context.machine.memory().ok()?;
    let limit = match memory.source {
        CapacitySource::Cgroup => format!("a limit of {} MB of memory", memory.bytes >> 20),
        _ => "no limit of memory".to_owned(),
    };
    let is_v2 = context.machine.cgroup_version() == CgroupVersion::V2;
    let found = format!("control groups: {version}, {limit}");
    Some(Outcome::judge(Code::PreflightCgroup, is_v2, Severity::Warning, found, "version 2"))
}
