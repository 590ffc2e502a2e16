use std::path::PathBuf;

use super::RoleService;
use crate::{model::Role, rt::files, wire::hosts::RoleHealth};

/// Offers this host's memory and the storage path to instances. Nothing schedules instances yet,
/// so there are none; whether they could keep their data is this role's health.
struct Allocator {
    instances: PathBuf,
}

pub fn allocator_service(storage_path: PathBuf) -> Box<dyn RoleService> {
    Box::new(Allocator { instances: storage_path.join("instances") })
}

impl RoleService for Allocator {
    fn role(&self) -> Role {
        Role::Allocator
    }

    fn start(&mut self) -> Result<(), String> {
        files::create_private_dir(&self.instances)
            .map_err(|error| format!("{}: {error}", self.instances.display()))
    }

    fn stop(&mut self) {}

    fn health(&self) -> RoleHealth {
        match std::fs::read_dir(&self.instances) {
            Ok(found) => {
                RoleHealth { healthy: true, detail: format!("{} instances", found.count()) }
            }
            Err(error) => RoleHealth {
                healthy: false,
                detail: format!("{}: {error}", self.instances.display()),
            },
        }
    }
}
