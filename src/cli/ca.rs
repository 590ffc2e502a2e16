use serde_json::json;

use super::{
    StateDirArgument,
    known_host::{HOW_TO_NOTE, Known, known_host},
    output::Output,
};
use crate::model::{Code, Exit, Failure};

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
    let state = arguments.state.answering()?;
    let host = match known_host(&state)? {
        Known::Host(host) => host,
        Known::NotInstalled => {
            let message = format!("no host is installed in {}", state.path().display());
            return Err(Failure::new(Code::InstallNotDone, message));
        }
        Known::NotNoted => return Err(nothing_noted()),
    };
    let certificate = host.ca_certificate.as_deref().unwrap_or_default().trim_end();
    if output.is_json() {
        output.json(&json!({
            "fingerprints": host.pins,
            "certificate": host.ca_certificate,
            "cluster_id": host.cluster_id,
        }));
        return Ok(Exit::Success);
    }
    if !arguments.pem {
        for pin in &host.pins {
            output.line(&format!("fingerprint  {pin}"));
        }
    }
    output.lines(certificate.lines());
    Ok(Exit::Success)
}

fn nothing_noted() -> Failure {
    let message = "root has no file of its own that says which CA is the right one";
    Failure::new(Code::TrustNoPin, message).with_fix(format!(
        "{HOW_TO_NOTE} Or ask the service's user: 'runuser -u ece-agent -- ece-agent ca show'."
    ))
}
