use super::role_names;
use crate::{
    cli::output::Output,
    model::Code,
    wire::runners::{RunnerInfo, RunnerOverview},
};

/// The hosts, a line each, with what is not as it should be.
pub fn show(output: Output, hosts: RunnerOverview) {
    let mark = |good: bool| if good { "yes" } else { "no" }.to_owned();
    let rows = hosts.runners.into_iter().map(|runner| {
        let connected = match (runner.connected, &runner.lost_at) {
            (false, Some(at)) => format!("no, since {at}"),
            (connected, _) => mark(connected),
        };
        let maintenance = if runner.maintenance_mode { "on" } else { "" };
        let (roles, problems) = (role_names(&runner), wrong(&runner));
        [
            runner.runner_id,
            runner.host_ip,
            runner.zone,
            roles,
            connected,
            mark(runner.healthy),
            maintenance.to_owned(),
            problems,
        ]
    });
    let heads = [
        "RUNNER ID",
        "HOST IP",
        "ZONE",
        "ROLES",
        "CONNECTED",
        "HEALTHY",
        "MAINTENANCE",
        "PROBLEMS",
    ];
    output.table(heads, rows);
}

/// The codes of what is wrong; 'host show' explains them.
fn wrong(runner: &RunnerInfo) -> String {
    let is_copied = !runner.clones.is_empty();
    let copied = is_copied.then(|| Code::HostCloned.name());
    let codes = runner.problems.iter().map(|problem| &*problem.code);
    codes.chain(copied).collect::<Vec<_>>().join(",")
}
