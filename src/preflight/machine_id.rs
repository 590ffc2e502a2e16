use super::{Context, Outcome, Severity};
use crate::model::Code;

/// A machine id that is missing, or that cannot be this machine's alone.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let found = match context.machine.machine_id() {
        None => Err("there is no /etc/machine-id".to_owned()),
        Some(id) if id.is_empty() || id == "uninitialized" => {
            Err("the machine id is not set yet, as in an image".to_owned())
        }
        Some(id) if id.len() != 32 || !id.chars().all(|c| c.is_ascii_hexdigit()) => {
            Err("the machine id is not 32 hexadecimal digits".to_owned())
        }
        Some(id) if id.chars().all(|c| id.starts_with(c)) => {
            Err(format!("the machine id {id} is a placeholder"))
        }
        Some(_) => Ok("the machine id is set".to_owned()),
    };
    let good = found.is_ok();
    let found = found.unwrap_or_else(|found| found);
    let needed = "an id of this machine alone";
    Some(Outcome::judge(Code::PreflightMachineId, good, Severity::Warning, found, needed))
}
