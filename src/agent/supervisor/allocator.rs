use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{RoleService, said};
use crate::{
    agent::storage_marker::{StorageMarker, instances_in},
    config::StateDir,
    model::{Code, Failure, Role},
    preflight::{may_use, unusable},
    rt::{aside, files},
    wire::desired::{DesiredAllocator, RolePayload},
};

/// Offers this host's memory and the storage path to instances. Nothing schedules instances yet,
/// so there are none; whether they could keep their data is this role's health.
struct Allocator {
    instances: PathBuf,
    marker: StorageMarker,
    wanted: DesiredAllocator,
}

pub fn allocator_service(state: &StateDir, storage: &Path) -> Box<dyn RoleService> {
    let marker = StorageMarker::of(state, storage);
    let wanted = DesiredAllocator::default();
    Box::new(Allocator { instances: marker.instances(), marker, wanted })
}

#[async_trait::async_trait]
impl RoleService for Allocator {
    fn role(&self) -> Role {
        Role::Allocator
    }

    async fn apply(&mut self, wanted: &RolePayload) -> Result<(), Failure> {
        self.wanted = said(wanted)?;
        let (dir, marker) = (self.instances.clone(), self.marker.clone());
        let made = move || {
            marker.must_be_there()?;
            let made = files::create_private_dir(&dir).and_then(|()| marker.put());
            made.map_err(|error| unusable(&dir, &error))
        };
        aside(made).await.map_err(to_be_repaired)
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> Result<String, Failure> {
        let (dir, marker) = (self.instances.clone(), self.marker.clone());
        let looked = move || -> Result<usize, Failure> {
            let count = count(&dir).map_err(|error| unusable(&dir, &error))?;
            marker.must_be_there()?;
            may_use(&dir).map(|()| count)
        };
        // The disk may take its time or, of another machine, never answer.
        let count = aside(looked).await.map_err(to_be_repaired)?;
        let mut detail = match count {
            1 => "1 instance".to_owned(),
            count => format!("{count} instances"),
        };
        if let Some(capacity_mb) = self.wanted.capacity_mb {
            detail.push_str(&format!(", {capacity_mb} MB by the API's settings"));
        }
        if self.wanted.maintenance {
            detail.push_str(", nothing new is placed");
        }
        Ok(detail)
    }
}

fn to_be_repaired(failure: Failure) -> Failure {
    match failure.is(Code::StateNotWritable) {
        true => failure.with_fix(
            "Repeat 'ece-agent install', which makes the directory and gives it to the daemon; if that does not help, look at what the message says.",
        ),
        false => failure,
    }
}

fn count(dir: &Path) -> io::Result<usize> {
    // A directory that was removed while the service sees it has no name any more.
    match fs::metadata(dir)?.nlink() {
        0 => Err(io::ErrorKind::NotFound.into()),
        _ => instances_in(dir),
    }
}
