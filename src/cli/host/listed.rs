use serde_json::Value;

use super::role_names;
use crate::cli::output::Output;

/// The hosts, a line each, with what is not as it should be.
pub fn show(output: Output, reply: &Value) {
    let rows = reply["runners"].as_array().into_iter().flatten().map(|runner| {
        let text = |name: &str| runner[name].as_str().unwrap_or_default().to_owned();
        let mark = |name: &str| if runner[name] == true { "yes" } else { "no" }.to_owned();
        let connected = match (runner["connected"] == true, runner["lost_at"].as_str()) {
            (false, Some(at)) => format!("no, since {at}"),
            _ => mark("connected"),
        };
        let maintenance = if runner["maintenance_mode"] == true { "on" } else { "" };
        [
            text("runner_id"),
            text("host_ip"),
            text("zone"),
            role_names(runner),
            connected,
            mark("healthy"),
            maintenance.to_owned(),
            wrong(runner),
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
fn wrong(runner: &Value) -> String {
    let problems = runner["problems"].as_array().into_iter().flatten();
    let codes: Vec<&str> = problems.filter_map(|problem| problem["code"].as_str()).collect();
    codes.join(",")
}
