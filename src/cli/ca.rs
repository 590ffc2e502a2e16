use serde_json::json;

use super::{StateDirArgument, output::Output};
use crate::{
    agent::load_identity,
    model::{Code, Exit, Failure},
};

#[derive(clap::Subcommand)]
pub enum CaVerb {
    /// Print the cluster CA's fingerprint and certificate
    #[command(after_help = "Example:
  ece-agent ca show --pem > ca.pem")]
    Show(ShowArguments),
}

#[derive(clap::Args)]
pub struct ShowArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// Print the certificate only, for --ca-cert
    #[arg(long, conflicts_with = "json")]
    pem: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn ca(CaVerb::Show(arguments): CaVerb, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.state_dir();
    let identity = load_identity(&state)?.ok_or_else(|| {
        let message = format!("no host is installed in {}", state.path().display());
        Failure::new(Code::InstallNotDone, message)
    })?;
    if output.is_json() {
        output.json(&json!({
            "fingerprints": identity.pins,
            "certificate": identity.ca_certificate,
            "cluster_id": identity.cluster_id,
        }));
        return Ok(Exit::Success);
    }
    if !arguments.pem {
        for pin in &identity.pins {
            output.line(&format!("fingerprint  {pin}"));
        }
    }
    output.line(identity.ca_certificate.trim_end());
    Ok(Exit::Success)
}
