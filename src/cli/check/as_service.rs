//! What the service finds of the host storage path, by a child that is its user and sees what it
//! sees.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    cli::UserArguments,
    host::service::{service_user, spawn_as},
    model::{Code, Exit, Failure},
    preflight::{self, Denied, Severity},
};

/// What the child is called with.
pub const PROBE_VERB: &str = "probe-storage";

/// How much the child may say, in bytes.
const MAX_SAID: u64 = 64 << 10;

/// What a process does that root has started as the service user.
pub fn probe_as_child(user: &UserArguments, instances: &Path) -> Result<Exit, Failure> {
    user.become_them()?;
    preflight::may_use(instances).map(|()| Exit::Success)
}

/// What is in the way of the service that is installed here, or of one that has its directory
/// already; all else `install` makes.
pub fn denied_to_service(storage: &Path, installed: bool, severity: Severity) -> Option<Denied> {
    let instances = storage.join("instances");
    if !instances.exists() {
        let missing = std::io::ErrorKind::NotFound.into();
        let failure = preflight::unusable(&instances, &missing).with_fix(repair(&instances));
        return installed.then_some(Denied { failure, severity });
    }
    let user = service_user().ok().flatten()?;
    let program = std::env::current_exe().ok()?;
    let arguments = [
        PROBE_VERB.as_ref(),
        "--json".as_ref(),
        "--storage-path".as_ref(),
        storage.as_os_str(),
        "--instances".as_ref(),
        instances.as_os_str(),
    ];
    let failed = |error: std::io::Error| Denied {
        failure: Failure::new(Code::Internal, format!("the child that looks: {error}")),
        severity,
    };
    let mut child = match spawn_as(user, &program, &arguments) {
        Ok(child) => child,
        Err(error) => return Some(failed(error)),
    };
    let mut said = String::new();
    let out = child.stdout.take().map(|out| out.take(MAX_SAID).read_to_string(&mut said));
    match (out, child.wait()) {
        (_, Ok(status)) if status.success() => None,
        (_, Err(error)) | (Some(Err(error)), _) => Some(failed(error)),
        (_, Ok(_)) => {
            let event: Value = said
                .lines()
                .last()
                .map(|line| serde_json::from_str(line).unwrap_or_default())
                .unwrap_or_default();
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            let failure =
                Failure::from_wire(&text("code"), text("message"), Some(repair(&instances)));
            Some(Denied { failure, severity })
        }
    }
}

fn repair(instances: &Path) -> String {
    format!("Repeat 'ece-agent install', which gives {} to the service.", instances.display())
}

#[derive(clap::Args)]
pub struct ProbeArguments {
    #[command(flatten)]
    pub user: UserArguments,
    #[arg(long)]
    pub instances: PathBuf,
    #[arg(long)]
    json: bool,
}
