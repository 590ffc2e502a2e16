use serde_json::json;

use super::output::Output;
use crate::model::{Code, Exit, Failure};

#[derive(clap::Args)]
pub struct ExplainArguments {
    /// The code, as an error shows it in brackets; without it all codes are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn explain(arguments: ExplainArguments, output: Output) -> Result<Exit, Failure> {
    let Some(name) = arguments.code else {
        for code in Code::ALL {
            show(output, *code, true);
        }
        return Ok(Exit::Success);
    };
    let name = name.trim_matches(['[', ']']);
    let code = Code::from_name(name).ok_or_else(|| {
        Failure::new(Code::ConfigInvalid, format!("{name:?} is not a code of this version"))
            .with_fix("'ece-agent explain' lists all codes.")
    })?;
    show(output, code, false);
    Ok(Exit::Success)
}

fn show(output: Output, code: Code, short: bool) {
    let (name, exit) = (code.name(), code.exit() as u8);
    if output.is_json() {
        output
            .json(&json!({ "code": name, "exit": exit, "cause": code.cause(), "fix": code.fix() }));
    } else if short {
        output.line(&format!("{name:<34} exit {exit:>2}"));
    } else {
        output.lines([
            format!("{name} (exit {exit})"),
            code.cause().to_owned(),
            format!("Fix: {}", code.fix()),
        ]);
    }
}
