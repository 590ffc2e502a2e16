use serde_json::{Value, json};

use crate::preflight::{Outcome, Severity};

/// A line for each check, and one for the fix where there is something to fix.
pub fn in_words(outcomes: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for it in outcomes {
        let needed = match (&*it.needed, it.severity) {
            ("", _) | (_, Severity::Ok) => String::new(),
            (needed, _) => format!("; needed: {needed}"),
        };
        let (severity, code) = (it.severity.name(), it.code.name());
        lines.push(format!("{severity:<8} {code:<30} {}{needed}", it.found));
        if it.severity >= Severity::Warning {
            lines.push(format!("{:<8} {:<30} fix: {}", "", "", it.fix));
        }
    }
    lines
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
