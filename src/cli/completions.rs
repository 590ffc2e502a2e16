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
    let mut script = Vec::new();
    generate(arguments.shell, &mut command(), "ece-agent", &mut script);
    String::from_utf8_lossy(&script).lines().for_each(|line| output.program_line(line));
    Ok(Exit::Success)
}
