use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::RoleService;
use crate::{
    model::{Code, Failure, Role},
    preflight::{may_use, unusable},
    rt::files,
    wire::hosts::RoleHealth,
};

/// Offers this host's memory and the storage path to instances. Nothing schedules instances yet,
/// so there are none; whether they could keep their data is this role's health.
struct Allocator {
    instances: PathBuf,
}

pub fn allocator_service(instances: PathBuf) -> Box<dyn RoleService> {
    Box::new(Allocator { instances })
}

impl RoleService for Allocator {
    fn role(&self) -> Role {
        Role::Allocator
    }

    fn start(&mut self) -> Result<(), Failure> {
        files::create_private_dir(&self.instances)
            .map_err(|error| to_be_repaired(unusable(&self.instances, &error)))
    }

    fn stop(&mut self) {}

    fn health(&self) -> RoleHealth {
        let counted = count(&self.instances).map_err(|error| unusable(&self.instances, &error));
        match counted.and_then(|count| may_use(&self.instances).map(|()| count)) {
            Ok(count) => RoleHealth::good(format!("{count} instances")),
            Err(failure) => RoleHealth::from(&to_be_repaired(failure)),
        }
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
        _ => Ok(fs::read_dir(dir)?.count()),
    }
}
