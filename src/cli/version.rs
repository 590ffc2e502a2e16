use std::env::consts::{ARCH, OS};

use serde_json::json;

use super::output::Output;
use crate::model::{Exit, Failure};

#[derive(clap::Args)]
pub struct VersionArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn version(_arguments: VersionArguments, output: Output) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match output.is_json() {
        true => output.json(&json!({ "version": version, "os": OS, "architecture": ARCH })),
        false => output.line(&format!("ece-agent {version}")),
    }
    Ok(Exit::Success)
}
