//! The file in which the operator finds passwords and tokens. It is the only copy of them, so that
//! one of another cluster is never replaced.

use std::{io, path::Path};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{BootstrapError, MAX_FILE, Plan, to_line};
use crate::{rt::files, wire::hosts::SecretText};

/// The file that ECE's automation reads: its names are part of the contract.
#[derive(Serialize)]
struct SecretsFile<'a> {
    adminconsole_root_password: &'a SecretText,
    adminconsole_readonly_password: &'a SecretText,
    bootstrap_runner_roles_token: &'a SecretText,
    allocator_only_token: &'a SecretText,
    emergency_all_roles_except_allocator_token: &'a SecretText,
}

/// Before anything is planned: whatever is there was not made here.
pub(super) fn must_not_be_there(file: &Path) -> Result<(), BootstrapError> {
    match file.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BootstrapError::File { path: file.to_owned(), source }),
        Ok(_) => Err(BootstrapError::SecretsOfAnother(file.to_owned())),
    }
}

/// Writes the file, unless it is there already from an attempt before this one.
pub(super) fn write(file: &Path, plan: &Plan) -> Result<(), BootstrapError> {
    let [no_roles, allocator, emergency] = &plan.tokens[..] else {
        return Err(BootstrapError::DamagedPlan(file.to_owned()));
    };
    let line = Zeroizing::new(to_line(&SecretsFile {
        adminconsole_root_password: &plan.admin_password,
        adminconsole_readonly_password: &plan.readonly_password,
        bootstrap_runner_roles_token: &no_roles.text,
        allocator_only_token: &allocator.text,
        emergency_all_roles_except_allocator_token: &emergency.text,
    }));
    let not_made = |path: &Path, source| BootstrapError::File { path: path.to_owned(), source };
    let there = files::read_kept(file, MAX_FILE).map_err(|error| not_made(file, error))?;
    match there.map(Zeroizing::new) {
        Some(there) if *there == *line => return Ok(()),
        Some(_) => return Err(BootstrapError::SecretsOfAnother(file.to_owned())),
        None => {}
    }
    if let Some(dir) = file.parent() {
        files::create_private_dir(dir).map_err(|error| not_made(dir, error))?;
    }
    super::write(file, &line)
}
