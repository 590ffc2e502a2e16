use serde_json::{Value, json};

use crate::{
    cli::output::{Mark, Output},
    preflight::{Outcome, Severity},
};

/// A line for each check, and one for the fix where there is something to fix.
pub fn in_words(output: Output, outcomes: &[Outcome]) {
    for it in outcomes {
        let needed = match (&*it.needed, it.severity) {
            ("", _) | (_, Severity::Ok) => String::new(),
            (needed, _) => format!("; needed: {needed}"),
        };
        let mark = match it.severity {
            Severity::Ok => Mark::Good,
            Severity::Skipped => Mark::Plain,
            Severity::Warning => Mark::Warning,
            Severity::Error => Mark::Bad,
        };
        let (severity, code) = (it.severity.name(), it.code.name());
        output.marked(mark, &format!("{severity:<8} {code:<30}  {}{needed}", it.found));
        if it.severity >= Severity::Warning {
            output.fix(&it.fix, 9);
        }
    }
}

pub fn as_json(outcomes: &[Outcome]) -> Vec<Value> {
    outcomes
        .iter()
        .map(|it| {
            json!({
                "code": it.code,
                "severity": it.severity.name(),
                "found": it.found,
                "needed": it.needed,
                "fix": it.fix,
                "cause_code": it.cause.as_ref().map(|cause| cause.code()),
            })
        })
        .collect()
}
