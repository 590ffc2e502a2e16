use super::{Context, Outcome, Severity};
use crate::model::Code;

/// Whether the environment sends what talks to the coordinator through a proxy.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let names: Vec<&str> = context.proxies.iter().map(|(name, _)| name.as_str()).collect();
    let found = match names[..] {
        [] => "the environment names no proxy".to_owned(),
        _ => format!("{} set; ece-agent goes around it", names.join(", ")),
    };
    let none = names.is_empty();
    let outcome = Outcome::judge(Code::PreflightProxy, none, Severity::Warning, found, "");
    Some(match context.reach {
        Some(reach) => {
            let host = reach.coordinator.host();
            outcome.with_fix(format!("Exclude the coordinator: export no_proxy={host}"))
        }
        None => outcome,
    })
}
