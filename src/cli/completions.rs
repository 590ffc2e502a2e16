use clap_complete::{Shell, generate};

use super::{command, output::Output};
use crate::model::{Exit, Failure};

#[derive(clap::Args)]
pub struct CompletionsArguments {
    /// For which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub fn completions(arguments: CompletionsArguments, output: Output) -> Result<Exit, Failure> {
    completion_script(arguments.shell).lines().for_each(|line| output.program_line(line));
    Ok(Exit::Success)
}

/// What makes a shell complete the verbs and flags.
pub fn completion_script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command(), "ece-agent", &mut script);
    let script = String::from_utf8(script).expect("made of texts");
    match shell {
        // The library names a verb in one way where it sets it, and in another where it looks for it,
        // if the program's name has a '-'.
        Shell::Bash => script.replace("ece__subcmd__agent", "ece__agent"),
        _ => script,
    }
}
