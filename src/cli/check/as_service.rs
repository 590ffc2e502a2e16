//! What the service finds of the host storage path, by a child that is its user and sees what it
//! sees.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    cli::{UserArguments, event::Event, service_child::ServiceChild},
    host::{service::service_user, tree::Owner},
    model::{Code, Exit, Failure, StorageLayout},
    preflight::{self, Denied, Severity},
};

/// What the child is called with.
pub const PROBE_VERB: &str = "probe-storage";

/// How long the child may take.
const LONGEST: Duration = Duration::from_secs(10);

/// What a process does that root has started as the service user.
pub fn probe_as_child(user: &UserArguments, instances: &Path) -> Result<Exit, Failure> {
    user.become_them()?;
    preflight::may_use(instances).map(|()| Exit::Success)
}

/// What is in the way of the service that is installed here, or of one that has its directory
/// already; all else `install` makes.
pub fn denied_to_service(storage: &Path, installed: bool, severity: Severity) -> Option<Denied> {
    let instances = StorageLayout::of(storage).instances();
    if !instances.exists() {
        let missing = std::io::ErrorKind::NotFound.into();
        let failure = preflight::unusable(&instances, &missing).with_fix(repair(&instances));
        return installed.then_some(Denied { failure, severity });
    }
    let user = service_user().ok().flatten()?;
    let arguments = [
        PROBE_VERB.as_ref(),
        "--json".as_ref(),
        "--storage-path".as_ref(),
        storage.as_os_str(),
        "--instances".as_ref(),
        instances.as_os_str(),
    ];
    let failure = match probe(user, &arguments) {
        Ok(failed) => failed?.with_fix(repair(&instances)),
        Err(error) => Failure::new(Code::ServiceFailed, format!("the child that looks: {error}")),
    };
    Some(Denied { failure, severity })
}

/// What the child has met, if it has.
fn probe(user: Owner, arguments: &[&OsStr]) -> io::Result<Option<Failure>> {
    let child = ServiceChild::start(user, arguments, Default::default(), LONGEST)?;
    let mut failure = None;
    while let Some(event) = child.next_event()? {
        if let Event::Failed(told) = event {
            failure = Some(told.untrusted());
        }
    }
    child.end()?;
    Ok(failure)
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
