//! What the parser of the command line has to say.

use std::{borrow::Cow, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output::Output;
use crate::model::{Code, Exit, Failure, printable::without_secrets};

/// Flags that people know by another name, which is not like ours.
const OTHER_NAMES: [(&str, &str); 1] = [("--allocator-zone", "--availability-zone")];

fn with_name_of_ours(error: &mut clap::Error) -> &clap::Error {
    let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if let Some((_, ours)) = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == unknown) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String((*ours).to_owned()));
        // It is of the flag that clap found likest.
        error.insert(ContextKind::Usage, ContextValue::None);
    }
    error
}

/// What clap has to say: help and version are a success, all else is a bad argument.
pub fn told(error: &mut clap::Error, output: Output) -> ExitCode {
    let error = with_name_of_ours(error);
    if error.use_stderr() && output.is_json() {
        let text = error.to_string();
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let fix = "The flag --help after the verb describes its flags.";
        output.failure(&Failure::in_lines(Code::ConfigInvalid, message).with_fix(fix));
        return ExitCode::from(Exit::BadArgument as u8);
    }
    let said = error.to_string();
    match without_secrets(&said) {
        // Whoever closed the output does not want it.
        Cow::Borrowed(_) => drop(error.print()),
        Cow::Owned(said) => said.lines().for_each(|line| output.note(line)),
    }
    if !error.use_stderr() {
        return ExitCode::from(Exit::Success as u8);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return ExitCode::from(Exit::BadArgument as u8);
    }
    output.note(&format!("[{}]", Code::ConfigInvalid.name()));
    ExitCode::from(Exit::BadArgument as u8)
}
