//! The file in which the operator finds passwords and tokens. It is the only copy of them, so that
//! one of another cluster is never replaced.

use std::{io, path::Path};

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::{BootstrapError, MAX_FILE, Plan, to_line};
use crate::{model::BootstrapSecret, rt::files, wire::hosts::SecretText};

struct SecretsFile<'a>([&'a SecretText; 5]);

impl Serialize for SecretsFile<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_map(BootstrapSecret::ALL.map(BootstrapSecret::key).into_iter().zip(self.0))
    }
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
    let secret = |secret| match secret {
        BootstrapSecret::AdminPassword => &plan.admin_password,
        BootstrapSecret::ReadonlyPassword => &plan.readonly_password,
        BootstrapSecret::TokenWithoutRoles => &no_roles.text,
        BootstrapSecret::AllocatorToken => &allocator.text,
        BootstrapSecret::EmergencyToken => &emergency.text,
    };
    let line = Zeroizing::new(to_line(&SecretsFile(BootstrapSecret::ALL.map(secret))));
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
